import { EngineError } from '../model/errors.ts';
import type { PruneFilters } from './requests.ts';

interface Prunable {
  /** ISO 8601 */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether the filters of a prune allow to take it away. */
export function matchesPrune({ until, labels, labelsNot }: PruneFilters, candidate: Prunable): boolean {
  if (until !== undefined && Date.parse(candidate.created) > until) return false;
  const has = (label: string) => hasLabel(candidate.labels, label);
  // `label!=a` with `label!=b` spares only what has both: Docker negates the whole list (moby: matchLabels).
  return labels.every(has) && !(labelsNot.length > 0 && labelsNot.every(has));
}

/** @param label "key" or "key=value" */
function hasLabel(labels: Readonly<Record<string, string>>, label: string): boolean {
  const equals = label.indexOf('=');
  if (equals < 0) return Object.hasOwn(labels, label);
  const key = label.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === label.slice(equals + 1);
}

/** One prune at a time, of whatever kind, as in Docker. */
export class PruneGuard {
  #running = false;

  /** @throws EngineError conflict while another one runs */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running) throw new EngineError('conflict', 'a prune operation is already running');
    this.#running = true;
    try {
      return await work();
    } finally {
      this.#running = false;
    }
  }
}
