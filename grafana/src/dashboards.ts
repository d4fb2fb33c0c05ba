import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { modelsDashboard } from './models.ts';
import { routesDashboard } from './routes.ts';

/** Every dashboard by the name of its file. */
export function dashboards(): Readonly<Record<string, Dashboard>> {
  return { 'routes.json': routesDashboard(), 'models.json': modelsDashboard() };
}

/** What `grafana/generated/` holds, by file name: classic (v1) dashboard JSON, the same bytes each time. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(dashboards()).map(([name, dashboard]) => [
      name,
      `${JSON.stringify(dashboard, undefined, 2)}\n`,
    ]),
  );
}
