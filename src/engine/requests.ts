import type { DriverOptions, PoolRequest } from '../model/network.ts';
import type { LogQuery as RuntimeLogQuery } from '../runtime/logs/record.ts';
import type { TerminalSize } from '../runtime/process/process.ts';

export type { PoolRequest } from '../model/network.ts';
export type { LogRecord } from '../runtime/logs/record.ts';

export interface NetworkRequest {
  readonly name: string;
  /** '' is bridge */
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** undefined: as the driver options say, else IPv4 alone */
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly pools: readonly PoolRequest[];
  /** '' is default */
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>> | null;
  readonly driverOptions: DriverOptions;
  readonly labels: Readonly<Record<string, string>>;
  /** Not a network, but what networks are made from */
  readonly configOnly?: true;
  /** The name of one that is */
  readonly configFrom?: string;
}

export interface VolumeRequest {
  /** '' makes an anonymous one */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the local driver */
  readonly options: Readonly<Record<string, string>>;
}

export interface StopRequest {
  /** Seconds until SIGKILL; negative: never; undefined: the container's own, then 10 */
  readonly timeout?: number;
  /** Name or number; undefined: the container's own, then SIGTERM */
  readonly signal?: string;
}

export interface RemoveRequest {
  readonly force: boolean;
  readonly volumes: boolean;
  /** Legacy links do not exist here: always refused with Docker's words */
  readonly link: boolean;
}

/** not-running: at once for one that does not run; next-exit: the next end, which a failed start is not; removed: it is gone. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  readonly code: number;
}

/** What `docker logs` asks for; `since` and `until` in nanoseconds since 1970. */
export interface LogQuery extends RuntimeLogQuery {
  readonly signal: AbortSignal;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly env: readonly string[];
  /** '' is the container's */
  readonly workingDirectory: string;
  /** '' is the container's */
  readonly user: string;
  readonly privileged: boolean;
  readonly detachKeys: string;
  readonly size?: TerminalSize;
}

export interface ExecStart {
  readonly detach: boolean;
  readonly tty: boolean;
  /** Of the terminal, in characters; a resize that comes first counts for more, and this more than that of the request */
  readonly size?: TerminalSize;
}

export interface ExecView {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  readonly running: boolean;
  /** undefined until it ended */
  readonly exitCode?: number;
  readonly pid: number;
}

export interface PruneFilters {
  /** Milliseconds since 1970: only what was created before */
  readonly until?: number;
  /** "key" or "key=value"; all must match */
  readonly labels: readonly string[];
  /** None may match */
  readonly labelsNot: readonly string[];
}

export interface Pruned {
  /** Ids of containers, names of networks */
  readonly deleted: readonly string[];
  /** Bytes */
  readonly reclaimed: number;
}
