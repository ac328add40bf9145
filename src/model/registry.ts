/** dockerd's registry flags, parsed. */
export interface RegistryConfig {
  /** `--registry-mirror`: URLs without a path, asked in this order before Docker Hub, for pulls alone */
  readonly mirrors: readonly string[];
  /** `--insecure-registry`: "host", "host:port" or an address range; loopback addresses always are */
  readonly insecure: readonly string[];
  /** Layers on their way at once, over all pulls */
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  /** How often one layer is asked for before a pull fails */
  readonly maxDownloadAttempts: number;
}

/** How a client proves to a registry who it is (X-Registry-Auth). '' stands for absent. */
export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  /** A refresh token that an earlier login gave in place of the password */
  readonly identityToken: string;
  /** A bearer token, sent as it is */
  readonly registryToken: string;
}

export const ANONYMOUS: RegistryAuth = { username: '', password: '', identityToken: '', registryToken: '' };

/** What an image was made for, in Go's words: linux/arm/v7. '' as variant: none told. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** A step of a pull or a push. With `current` and `total`, in bytes, it is a bar that grows. */
export interface Progress {
  /** "Downloading", "Pull complete" */
  readonly status?: string;
  /** The layer's or the tag's name, as it is shown: 12 characters of a digest */
  readonly id?: string;
  /** A layer's step without a bar has {} */
  readonly detail?: { readonly current?: number; readonly total?: number };
  /** For programs: { Tag, Digest, Size } at the end of a push */
  readonly aux?: Readonly<Record<string, unknown>>;
}

export type ProgressListener = (progress: Progress) => void;

/** What a registry tells about a name without anything being pulled. */
export interface RemoteImage {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes of the manifest */
  readonly size: number;
  readonly platforms: readonly Platform[];
}
