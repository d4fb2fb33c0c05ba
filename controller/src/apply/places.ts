/** Which names at the gateway stand for which model. */
export interface Places {
  namesOf(model: string): readonly string[];
  modelOf(name: string): string;
}

/** @param names by model, where the gateway calls it something else */
export function placesOf(names: Readonly<Record<string, string | readonly string[]>>): Places {
  const namesOf = (model: string) => [names[model] ?? model].flat();
  const models = new Map(Object.keys(names).flatMap(model => namesOf(model).map(name => [name, model])));
  return { namesOf, modelOf: name => models.get(name) ?? name };
}
