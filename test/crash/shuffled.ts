/** The items in an order that depends on the seed alone: a linear congruential generator (Numerical Recipes). */
export function shuffled<T>(items: Iterable<T>, seed: number): T[] {
  const shuffle = [...items];
  let state = seed >>> 0;
  for (let end = shuffle.length - 1; end > 0; end--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const at = Math.floor((state / 2 ** 32) * (end + 1));
    const [last, other] = [shuffle[end], shuffle[at]];
    if (last !== undefined && other !== undefined) [shuffle[end], shuffle[at]] = [other, last];
  }
  return shuffle;
}
