import type { Assessment, SignalAssessment } from '../types.ts';

/**
 * An assessment whose signals are put together when they are first asked for, from what is known then: thousands of
 * healthy models are never asked, and an answer for each would be most of a tick's work.
 */
export function assessmentOf(
  known: Omit<Assessment, 'signals'>,
  signals: () => readonly SignalAssessment[],
): Assessment {
  return new LazyAssessment(known, signals);
}

class LazyAssessment implements Assessment {
  readonly model: string;
  readonly version?: string;
  readonly at: number;
  readonly verdict: Assessment['verdict'];
  readonly silence?: NonNullable<Assessment['silence']>;
  readonly #make: () => readonly SignalAssessment[];
  #made: readonly SignalAssessment[] | undefined;

  constructor(known: Omit<Assessment, 'signals'>, make: () => readonly SignalAssessment[]) {
    const { model, version, at, verdict, silence } = known;
    this.model = model;
    if (version !== undefined) this.version = version;
    this.at = at;
    this.verdict = verdict;
    if (silence) this.silence = silence;
    this.#make = make;
  }

  get signals(): readonly SignalAssessment[] {
    this.#made ??= this.#make();
    return this.#made;
  }

  toJSON(): Assessment {
    return { ...this, signals: this.signals };
  }
}

/** Whose assessment it is, and of when. */
export const knownOf = ({
  model,
  version,
  at,
}: Assessment): Pick<Assessment, 'model' | 'version' | 'at'> => ({
  model,
  at,
  ...(version !== undefined && { version }),
});
