/** A block device and the most that may go through it. */
export interface ThrottledDevice {
  /** Of the host: /dev/sda */
  readonly path: string;
  /** Bytes or operations a second */
  readonly rate: number;
}

export interface WeightedDevice {
  /** Of the host: /dev/sda */
  readonly path: string;
  /** 10 to 1000 */
  readonly weight: number;
}

/**
 * What a container may use of its host, as `docker run` and `docker update` say it. What is left out was not asked for:
 * at create there is no limit, at an update the former one stays.
 */
export interface Resources {
  /** Bytes */
  readonly memory?: number;
  /** Bytes of memory and swap together; -1: no limit on swap */
  readonly memorySwap?: number;
  /** Bytes it is pushed back to when the host runs short */
  readonly memoryReservation?: number;
  /** 0 to 100 */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** Billionths of a processor */
  readonly nanoCpus?: number;
  /** Relative weight; 1024 is what others have */
  readonly cpuShares?: number;
  /** Microseconds */
  readonly cpuPeriod?: number;
  /** Microseconds within each period; negative: no limit */
  readonly cpuQuota?: number;
  /** "0-2,7" */
  readonly cpusetCpus?: string;
  /** NUMA nodes: "0,1" */
  readonly cpusetMems?: string;
  /** Zero and less: no limit */
  readonly pidsLimit?: number;
  /** 10 to 1000 */
  readonly blkioWeight?: number;
  readonly blkioWeightDevices?: readonly WeightedDevice[];
  readonly readBps?: readonly ThrottledDevice[];
  readonly writeBps?: readonly ThrottledDevice[];
  readonly readIops?: readonly ThrottledDevice[];
  readonly writeIops?: readonly ThrottledDevice[];
}
