export type EventType = 'builder' | 'container' | 'image' | 'network' | 'daemon' | 'volume';

/** What happened, as `docker events` tells it. */
export interface EngineEvent {
  readonly type: EventType;
  /** start, die, "exec_create: sh", connect, … */
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970 */
  readonly timeNano: bigint;
}
