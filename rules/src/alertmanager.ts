import type { Policy } from './policy.ts';

/** Where the controller listens when the policy does not say. */
const defaultController = 'http://127.0.0.1:8080';

/**
 * Alertmanager's configuration: every alert to the controller, which keeps it, and to the policy's webhooks; a
 * critical alert silences the warning of the same model and signal; the dead man's switch goes its own way.
 */
export function alertmanagerConfig({ alerts }: Policy): unknown {
  const controller = alerts.links.controller ?? defaultController;
  return {
    route: {
      receiver: 'people',
      // One group an alert: a new alert that joins a group would wait for group_interval.
      group_by: ['alertname', 'route', 'model', 'signal', 'severity'],
      group_wait: '1s',
      group_interval: '10s',
      repeat_interval: '4h',
      routes: [
        {
          matchers: ['alertname="RelayCoreAlive"'],
          receiver: alerts.heartbeat ? 'heartbeat' : 'nobody',
          group_wait: '0s',
          group_interval: '1m',
          repeat_interval: '1m',
        },
      ],
    },
    inhibit_rules: [
      {
        // One cause, one alert.
        source_matchers: ['alertname="ModelsDegradedTogether"'],
        target_matchers: [
          'alert_type=~"model_failure|latency|performance_degradation|feedback|signal_degradation|resource_exhaustion"',
        ],
      },
      {
        source_matchers: ['severity="critical"'],
        target_matchers: ['severity="warning"'],
        equal: ['alertname', 'model', 'route', 'signal'],
      },
    ],
    receivers: [
      {
        name: 'people',
        webhook_configs: [
          {
            url: `${controller}/api/v1/alerts/alertmanager`,
            send_resolved: true,
            ...(alerts.controllerTokenFile !== undefined && {
              http_config: { authorization: { credentials_file: alerts.controllerTokenFile } },
            }),
          },
          ...alerts.webhooks.map(url => ({ url, send_resolved: true })),
        ],
      },
      { name: 'nobody' },
      ...(alerts.heartbeat
        ? [{ name: 'heartbeat', webhook_configs: [{ url: alerts.heartbeat, send_resolved: false }] }]
        : []),
    ],
  };
}
