/** Counters of one container, in one form for both versions of cgroups. Times in nanoseconds, sizes in bytes. */
export interface Usage {
  readonly cpu: {
    readonly total: number;
    readonly kernel: number;
    readonly user: number;
    /** v1 alone tells them apart */
    readonly perProcessor?: readonly number[];
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
  readonly memory: {
    readonly usage: number;
    /** The most it ever was; v1 alone */
    readonly most?: number;
    /** How often the limit was in the way (v1), or somebody was killed for it (v2) */
    readonly failures: number;
    /** The machine's memory where there is no limit */
    readonly limit: number;
    /** The kernel's own names, as Docker's answer has them */
    readonly details: Readonly<Record<string, number>>;
  };
  readonly processes: {
    readonly current: number;
    /** undefined: no limit */
    readonly limit?: number;
  };
  readonly blocks: {
    readonly bytes: readonly BlockCounter[];
    /** v1 alone */
    readonly operations?: readonly BlockCounter[];
  };
}

export interface BlockCounter {
  readonly major: number;
  readonly minor: number;
  /** Read, Write, Total, …: as the kernel writes it; read and write on v2 */
  readonly operation: string;
  readonly value: number;
}

/** What the whole machine has used, for comparison. */
export interface MachineUsage {
  /** Nanoseconds of all processors together */
  readonly total: number;
  readonly processors: number;
}

/** One direction through a link since it was made. */
export interface LinkTraffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

export interface LinkCounters {
  readonly name: string;
  readonly received: LinkTraffic;
  readonly sent: LinkTraffic;
}
