import { parser } from '@prometheus-io/lezer-promql';

/*
 * Counters that a policy names in PromQL. Evidence counts each event once, so they have to be raw: selectors, joined by
 * `or`, in parentheses or relabelled. Everything here goes by the parse tree of the official grammar.
 */

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Why an expression is not accepted, and what to write instead. */
export interface Objection {
  readonly message: string;
  readonly remedy: string;
}

/** What keeps the expression from being raw counters. It has to be free of syntax errors. */
export function objectionToCounters(expression: string): Objection | undefined {
  return objectionTo(parser.parse(expression).topNode, expression);
}

/** The same for a histogram, named without the suffix of its parts. */
export function objectionToHistogram(expression: string): Objection | undefined {
  const objection = objectionToCounters(expression);
  if (objection) return objection;
  const unnamed = selectorsIn(expression).find(selector => !selector.getChild('Identifier'));
  if (unnamed)
    return {
      message: `${quoted(unnamed, expression)} has no name in front of its braces`,
      remedy: 'give the name of the histogram, for example rag_groundedness{source="judge"}',
    };
  const suffixed = selectorsIn(expression).find(selector =>
    /_(bucket|sum|count)$/.test(nameOf(selector, expression)!),
  );
  return (
    suffixed && {
      message: `${quoted(suffixed, expression)} is a part of a histogram`,
      remedy: 'give its name without _bucket, _sum or _count',
    }
  );
}

/** What keeps an expression from being a gauge: a number a series, now. It has to be free of syntax errors. */
export function objectionToValue(expression: string): Objection | undefined {
  const parts = childrenOf(parser.parse(expression).topNode);
  if (parts.some(({ name }) => name === 'LineComment'))
    return {
      message: 'holds a comment, which would swallow what the rules put behind it',
      remedy: 'remove it',
    };
  const name = parts[0]?.name ?? '';
  if (!noGauges.includes(name)) return undefined;
  return {
    message: `"${expression.trim()}" is not one number a series`,
    remedy:
      'give a gauge or what is worked out of some, for example hw_gpu_memory_usage / hw_gpu_memory_limit',
  };
}

const noGauges = ['MatrixSelector', 'SubqueryExpr', 'StringLiteral', 'NumberDurationLiteral'];

/** The expression with each of its selectors replaced by what `change` makes of it. */
export function mapSelectors(expression: string, change: (selector: string) => string): string {
  let written = '';
  let end = 0;
  for (const { from, to } of selectorsIn(expression)) {
    written += expression.slice(end, from) + change(expression.slice(from, to));
    end = to;
  }
  return written + expression.slice(end);
}

/** `hits{a="b"}` → `hits_bucket{a="b"}`. */
export function withSuffix(expression: string, suffix: '_bucket' | '_sum' | '_count'): string {
  return mapSelectors(expression, selector => selector.replace(/^[\w:]+/, name => `${name}${suffix}`));
}

function selectorsIn(expression: string): Node[] {
  const found: Node[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, node }) => {
      if (name === 'VectorSelector') found.push(node);
    },
  });
  return found;
}

function objectionTo(node: Node, text: string): Objection | undefined {
  const children = childrenOf(node);
  switch (node.name) {
    case 'PromQL':
    case 'ParenExpr':
      return firstObjection(children, text);
    case 'VectorSelector':
      return nameOf(node, text) === undefined ? withoutName(node, text) : undefined;
    case 'BinaryExpr': {
      const [left, or, right, ...more] = children;
      if (or?.name !== 'Or' || more.length > 0) return notRaw(node, text);
      return firstObjection([left!, right!], text);
    }
    case 'FunctionCall':
      return objectionToCall(node, text);
    case 'AggregateExpr':
      return {
        message: `${quoted(node, text)} adds counters up before the restart of one of them can be told from the others`,
        remedy:
          'leave the aggregation out: every series is compared with its own past, then a model’s series are added up',
      };
    default:
      return notRaw(node, text);
  }
}

function objectionToCall(node: Node, text: string): Objection | undefined {
  const [name, body] = childrenOf(node);
  if (name?.getChild('LabelReplace') && body) {
    const [series, ...labels] = childrenOf(body);
    const isComplete = labels.length === 4 && labels.every(label => label.name === 'StringLiteral');
    if (series && isComplete) return objectionTo(series, text);
  }
  if (!body?.getChild('MatrixSelector')) return notRaw(node, text);
  return {
    message: `${quoted(node, text)} is an estimate: one event in ten minutes reads as 1.012`,
    remedy: 'give the counter itself; the rules put increase() around it where they need it',
  };
}

function firstObjection(nodes: readonly Node[], text: string): Objection | undefined {
  for (const node of nodes) {
    const objection = objectionTo(node, text);
    if (objection) return objection;
  }
  return undefined;
}

const withoutName = (node: Node, text: string): Objection => ({
  message: `${quoted(node, text)} does not say which counter`,
  remedy:
    'give the name of one; several are joined by or, because increase() fails over names that share their labels',
});

const notRaw = (node: Node, text: string): Objection => ({
  message: `${quoted(node, text)} is no raw counter, so events could be lost or counted twice`,
  remedy:
    'give a selector such as flagged_total{source="api"}, or several joined by or, in parentheses or inside label_replace()',
});

/** The one metric that a selector names, in front of its braces or in them. */
function nameOf(selector: Node, text: string): string | undefined {
  const name = selector.getChild('Identifier');
  if (name) return text.slice(name.from, name.to);
  const matcher = childrenOf(selector.getChild('LabelMatchers')).find(
    ({ name, from, to }) => name === 'QuotedLabelName' || /^__name__\s*=\s*["'`]/.test(text.slice(from, to)),
  );
  return matcher && text.slice(matcher.from, matcher.to);
}

function childrenOf(node: Node | null): Node[] {
  const children: Node[] = [];
  for (let child = node?.firstChild ?? null; child; child = child.nextSibling) children.push(child);
  return children;
}

const longest = 60;

function quoted({ from, to }: Node, text: string): string {
  const excerpt = text.slice(from, to).replace(/\s+/g, ' ');
  return `"${excerpt.length > longest ? `${excerpt.slice(0, longest)}…` : excerpt}"`;
}
