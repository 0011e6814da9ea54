/** Asks for each of a list, so many at the same time and in order: Azure throttles who asks for everything at once. */
export async function inTurns<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  ask: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += atOnce) {
    results.push(...(await Promise.all(items.slice(from, from + atOnce).map(ask))));
  }
  return results;
}
