import type { EngineEvent } from '../../model/event.ts';
import type { Filters } from '../parse/filters.ts';

/** Which events a client asked for (moby: daemon/events/filter.go). Filters nobody knows ask for nothing, as in Docker. */
export function eventFilter(filters: Filters): (event: EngineEvent) => boolean {
  const actors = ['container', 'network', 'volume', 'daemon', 'plugin', 'node', 'secret', 'service', 'config'];
  return (event) =>
    filters.some('type', (type) => type === event.type) &&
    filters.some('scope', (scope) => scope === 'local') &&
    filters.some('event', (action) => event.action === action || event.action.startsWith(`${action}:`)) &&
    actors.every((actor) => filters.some(actor, (value) => isActor(event, actor, value))) &&
    filters.some('image', (value) => isImage(event, value)) &&
    filters.labels(event.attributes);
}

/** By id or by name, or by the beginning of either, as in Docker. */
function isActor(event: EngineEvent, actor: string, value: string): boolean {
  if (event.type !== actor) return false;
  return event.id.startsWith(value) || (event.attributes['name'] ?? '').startsWith(value);
}

/** An image's own events, and those of containers made from it; with or without the tag. */
function isImage(event: EngineEvent, value: string): boolean {
  const name = event.attributes[event.type === 'image' ? 'name' : 'image'] ?? '';
  const untagged = name.replace(/:[^/:]*$/, '');
  return name === value || untagged === value || (event.type === 'image' && event.id === value);
}
