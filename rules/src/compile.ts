import { stringify } from 'yaml';
import { alertingGroups } from './alerting.ts';
import { alertmanagerConfig } from './alertmanager.ts';
import type { Policy } from './policy.ts';
import { type RuleGroup, recordingGroups } from './recording.ts';
import { policyJsonSchema } from './schema.ts';

/** Everything a policy compiles to, by file name. Pure: the same policy gives the same bytes. */
export function compilePolicy(policy: Policy): Readonly<Record<string, string>> {
  return {
    'recording.rules.yml': ruleFile(recordingGroups(policy)),
    'alerting.rules.yml': ruleFile(alertingGroups(policy)),
    'alertmanager.yml': yamlFile(alertmanagerConfig(policy)),
  };
}

export function policySchemaFile(): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
}

const ruleFile = (groups: readonly RuleGroup[]) => yamlFile({ groups });

function yamlFile(content: unknown): string {
  return `# Generated from the policy by \`npm run generate\`; edit the policy instead.\n${stringify(content, { lineWidth: 0 })}`;
}
