import type { EngineEvent } from '../../model/event.ts';

/**
 * One line of GET /events. Containers and images carry the fields of before API 1.22, too, which docker-compose 1 reads.
 * Numbers of nanoseconds do not fit a double, so that field is written as text.
 */
export function renderEvent(event: EngineEvent): string {
  const { type, action, id, attributes } = event;
  const legacy =
    type === 'container'
      ? { status: action, id, from: attributes['image'] ?? '' }
      : type === 'image'
        ? { status: action, id }
        : {};
  const head = JSON.stringify({
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(event.timeNano / 1_000_000_000n),
  });
  return `${head.slice(0, -1)},"timeNano":${event.timeNano}}\n`;
}
