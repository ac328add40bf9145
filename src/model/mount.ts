/** Where a client asked for a mount; `inspect` shows it in the same place. volumes: anonymous, the user's and the image's. */
type MountOrigin = 'binds' | 'mounts' | 'volumes' | 'volumesFrom' | 'tmpfs';

interface MountBase {
  /** Absolute in the container, normalized */
  readonly destination: string;
  readonly readOnly: boolean;
  readonly origin: MountOrigin;
  /** The third part of `-v`, as the user wrote it */
  readonly mode: string;
}

export interface BindMount extends MountBase {
  readonly type: 'bind';
  readonly source: string;
  /** rprivate, rshared, rslave, private, shared, slave; '' while nobody has said, and the container is not created */
  readonly propagation: string;
  /** False: a missing source is an error (`--mount`); true: it is made as a directory (`-v`) */
  readonly createSource: boolean;
  /** With what is mounted below the source */
  readonly recursive: boolean;
  /** Whether read-only holds for what is mounted below the source; undefined: where the kernel can */
  readonly readOnlyBelow?: boolean;
}

export interface VolumeMount extends MountBase {
  readonly type: 'volume';
  /** '' while it is anonymous and the container not created */
  readonly name: string;
  /** Nobody named it: `rm -v` and `--rm` take it away */
  readonly anonymous: boolean;
  /** Whether an empty volume gets what the image has at the destination */
  readonly copy: boolean;
  /** Only this part of the volume; '' is all of it */
  readonly subpath: string;
  /** For a volume that is made with the container */
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface TmpfsMount extends MountBase {
  readonly type: 'tmpfs';
  /** Of `--tmpfs`, as the user wrote them; of `--mount`, further options */
  readonly options: readonly string[];
  /** Bytes */
  readonly size?: number;
  readonly permissions?: number;
}

/** Something mounted in a container. */
export type Mount = BindMount | VolumeMount | TmpfsMount;
