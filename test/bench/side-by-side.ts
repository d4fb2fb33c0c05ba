/** One figure of ours beside the same figure of its peers, from one run on one machine. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  /** Median over the rounds. */
  readonly ours: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Peer over ours: above 1 ours needs less. */
  readonly ratio: Readonly<Record<string, number>>;
  /** Of ours over the rounds: (90th − 10th percentile) / median. */
  readonly spread: number;
  /** The largest of ours. */
  readonly highest: number;
  readonly rounds: number;
}

/** Measures once; called once a round. */
export type Measure = () => number | Promise<number>;

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly rounds: number;
  readonly ours: Measure;
  readonly peers?: Readonly<Record<string, Measure>>;
  /** Not measured: makes what the round measures. */
  readonly beforeRound?: () => void;
  readonly onRound?: (round: number) => void;
}

/** Round by round, so that what else the machine does meets all alike; who goes first changes with each round. */
export async function sideBySide(comparison: Comparison): Promise<Result> {
  const { name, unit, rounds, ours, peers = {}, beforeRound, onRound } = comparison;
  const contenders = [
    { measure: ours, figures: [] as number[] },
    ...Object.values(peers).map(measure => ({ measure, figures: [] as number[] })),
  ];
  for (let round = 0; round < rounds; round++) {
    beforeRound?.();
    for (let turn = 0; turn < contenders.length; turn++) {
      const { measure, figures } = contenders[(round + turn) % contenders.length]!;
      figures.push(await measure());
    }
    onRound?.(round + 1);
  }
  const [own, ...others] = contenders.map(({ figures }) => figures.toSorted((a, b) => a - b));
  const median = quantile(own!, 0.5);
  const medians = Object.fromEntries(Object.keys(peers).map((peer, i) => [peer, quantile(others[i]!, 0.5)]));
  return {
    name,
    unit,
    ours: median,
    peers: medians,
    ratio: Object.fromEntries(Object.entries(medians).map(([peer, figure]) => [peer, figure / median])),
    spread: (quantile(own!, 0.9) - quantile(own!, 0.1)) / median,
    highest: own!.at(-1)!,
    rounds,
  };
}

/** Between the two nearest ranks, in proportion (R's type 7). `sorted` is ascending and not empty. */
function quantile(sorted: readonly number[], share: number): number {
  const rank = share * (sorted.length - 1);
  const below = Math.floor(rank);
  const [low, high] = [sorted[below]!, sorted[Math.ceil(rank)]!];
  return low + (rank - below) * (high - low);
}
