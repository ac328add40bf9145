/** One entry of a container's log. */
export interface LogRecord {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 in UTC with nanoseconds, as written: what `docker logs -t` shows */
  readonly time: string;
  /** With its newline; without one when it is part of a longer line, or the last words of a process */
  readonly line: Buffer;
  /** What log options like `labels` and `tag` added: shown by `docker logs --details` */
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Nanoseconds since 1970: entries of this time and later */
  readonly since?: bigint;
  /** Nanoseconds since 1970: entries of this time and earlier */
  readonly until?: bigint;
  /** The last so many entries of either stream, counted before the other conditions, as Docker counts; default: all */
  readonly tail?: number | 'all';
  readonly follow: boolean;
  /** Following ends when it is aborted, after what is in the log by then: nothing more will be written. */
  readonly signal?: AbortSignal;
}
