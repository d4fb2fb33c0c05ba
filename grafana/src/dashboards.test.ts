import { readdir, readFile } from 'node:fs/promises';
import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { describe, expect, it } from 'vitest';
import { dashboardFiles, dashboards } from './dashboards.ts';
import { prometheusQueries } from './queries.ts';

const generated = new URL('../generated/', import.meta.url);
const each = Object.values(dashboards()).map(dashboard => ({ uid: dashboard.uid, dashboard }));
const eachPanel = each.flatMap(({ uid, dashboard }) =>
  panelsOf(dashboard).map(panel => ({ uid, title: panel.title, panel })),
);

describe('generated/', () => {
  it('is what the code makes', async () => {
    const files = await Promise.all(
      (await readdir(generated)).map(async name => [name, await readFile(new URL(name, generated), 'utf8')]),
    );
    expect(Object.fromEntries(files)).toEqual(dashboardFiles());
  });

  it('comes out the same each time', () => {
    expect(dashboardFiles()).toEqual(dashboardFiles());
  });
});

describe.each(each)('$uid', ({ uid, dashboard }) => {
  it('is the address that alerts and the other dashboard link to', () => {
    expect(['relaycore-routes', 'relaycore-models']).toContain(uid);
    expect(
      dashboard.links?.map(({ tags, keepTime, includeVars }) => ({ tags, keepTime, includeVars })),
    ).toEqual([{ tags: ['relaycore'], keepTime: true, includeVars: true }]);
    expect(dashboard.tags).toContain('relaycore');
  });

  it('shows the last 30 minutes, anew every 5 seconds', () => {
    expect(dashboard).toMatchObject({ refresh: '5s', time: { from: 'now-30m', to: 'now' }, editable: false });
  });

  it('lets a person choose the data source and several routes or models', () => {
    const [source, choice] = dashboard.templating.list ?? [];
    expect(source).toMatchObject({
      name: 'datasource',
      label: 'Data source',
      type: 'datasource',
      query: 'prometheus',
    });
    expect(choice).toMatchObject({
      name: uid === 'relaycore-routes' ? 'route' : 'model',
      multi: true,
      includeAll: true,
      allValue: '.+',
    });
  });

  it('marks switches at the time that the series tells, in milliseconds', () => {
    expect(dashboard.annotations.list).toHaveLength(1);
    expect(dashboard.annotations.list?.[0]).toMatchObject({ useValueForTime: true, enable: true });
    expect(JSON.stringify(dashboard.annotations)).toContain('1000 * ');
  });

  it('names no data source, only the chosen one', () => {
    const uids = [...JSON.stringify(dashboard).matchAll(/"type":"prometheus","uid":"([^"]*)"/g)].map(
      m => m[1],
    );
    expect(uids.length).toBeGreaterThan(panelsOf(dashboard).length);
    expect(new Set(uids)).toEqual(new Set(['${datasource}']));
  });

  it('gives every panel an id, a title and a place of its own', () => {
    const everyPanel = dashboard.panels ?? [];
    const titles = everyPanel.map(({ title }) => title);
    expect(new Set(everyPanel.map(({ id }) => id)).size).toBe(everyPanel.length);
    expect(new Set(titles).size).toBe(titles.length);
    expect(overlaps(dashboard)).toEqual([]);
  });

  it('fills each line to its end', () => {
    const cells = panelsOf(dashboard).reduce((sum, { gridPos }) => sum + gridPos!.w * gridPos!.h, 0);
    const rows = (dashboard.panels ?? []).filter(({ type }) => type === 'row').length;
    const last = Math.max(...(dashboard.panels ?? []).map(({ gridPos }) => gridPos!.y + gridPos!.h));
    expect(cells).toBe((last - rows) * 24);
  });
});

describe.each(eachPanel)('$uid, $title', ({ panel }) => {
  it('says what it shows and what to do about it, in a unit', () => {
    expect(panel.title).toMatch(/\S/);
    expect(panel.description?.match(/[.:;](\s|$)/g)?.length).toBeGreaterThanOrEqual(2);
    expect(panel.fieldConfig?.defaults.unit).toMatch(/\S/);
    expect(panel.fieldConfig?.defaults.noValue).toMatch(/\S/);
    expect(panel.datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
  });

  it('asks the chosen data source, each query with a letter of its own', () => {
    const queries = prometheusQueries(panel);
    expect(queries.length).toBeGreaterThan(0);
    expect(queries.map(({ refId }) => refId)).toEqual(queries.map((_, i) => 'ABCDEFGH'[i]));
    for (const { datasource } of queries)
      expect(datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
  });

  it('names its lines', () => {
    if (panel.type === 'table') return;
    for (const { legendFormat } of prometheusQueries(panel)) expect(legendFormat).toMatch(/\S/);
  });
});

function panelsOf(dashboard: Dashboard): Panel[] {
  return (dashboard.panels ?? []).filter((panel): panel is Panel => panel.type !== 'row');
}

function overlaps({ panels = [] }: Dashboard): string[] {
  return panels.flatMap((a, i) =>
    panels.slice(i + 1).flatMap(b => {
      const [p, q] = [a.gridPos!, b.gridPos!];
      const apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
      return apart && p.x + p.w <= 24 ? [] : [`${a.title} and ${b.title}`];
    }),
  );
}
