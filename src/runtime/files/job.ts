import type { IdMaps } from '../../model/id-map.ts';
import type { SnapshotMount } from '../spec/root.ts';

/** A directory or file of the host that is seen in a container's root while work is done there. */
export interface SeenMount {
  /** Path on the host */
  readonly source: string;
  /** Below the source, links not leading out of it; '' is the source itself */
  readonly subpath: string;
  /** Absolute in the container; links in it are followed within the container */
  readonly destination: string;
  readonly readOnly: boolean;
}

/** A container's root as `cp` sees it: its layers, its volumes and binds in the order of mounting; nothing else. */
export interface RootView {
  readonly layers: readonly SnapshotMount[];
  readonly mounts: readonly SeenMount[];
  /** The root itself; mounts say so for themselves */
  readonly readOnly: boolean;
  /** Owners are told and taken as the container sees them */
  readonly maps?: IdMaps;
}

/** What lies at a path. */
export interface PathStat {
  /** Last part of the path */
  readonly name: string;
  readonly size: number;
  /** As stat(2) has it: type and permissions */
  readonly mode: number;
  /** Nanoseconds since 1970 */
  readonly modified: bigint;
  /** For a link: where it leads in the container, every link on the way followed; '' for others */
  readonly linkTarget: string;
}

/** How an upload is laid down. */
export interface UnpackOptions {
  /** A file may not take a directory's place, nor the other way round */
  readonly keepTypes: boolean;
  /** Everything belongs to this user instead of to whom the archive names */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** As `docker diff` marks them: C, A, D. */
type ChangeKind = 'modified' | 'added' | 'deleted';

export interface PathChange {
  readonly path: string;
  readonly kind: ChangeKind;
}

/** One piece of work in a jail. `scratch`: an empty directory to mount on; descriptors are the worker's to close. */
export type Job = { readonly scratch: string } & (
  | { readonly kind: 'stat'; readonly root: RootView; readonly path: string }
  /** A tar of what lies at the path goes to the descriptor */
  | { readonly kind: 'pack'; readonly root: RootView; readonly path: string; readonly output: number }
  /** The tar from the descriptor is laid down in the directory */
  | {
      readonly kind: 'unpack';
      readonly root: RootView;
      readonly path: string;
      readonly input: number;
      readonly options: UnpackOptions;
    }
  /** The whole root as a tar */
  | { readonly kind: 'export'; readonly root: RootView; readonly output: number }
  /** What the image has at the mounts' destinations is copied into those of their sources that are empty */
  | { readonly kind: 'copyUp'; readonly root: RootView }
  /** A directory, and those above it, where they are missing */
  | { readonly kind: 'makeDirectory'; readonly root: RootView; readonly path: string }
  | { readonly kind: 'changes'; readonly layers: readonly SnapshotMount[] }
  /** Bytes of the files in each of the directories */
  | { readonly kind: 'sizes'; readonly directories: readonly string[] }
  /** The files of a layer get the owners that stand for theirs on the host */
  | { readonly kind: 'own'; readonly directory: string; readonly maps: IdMaps }
);

/** What a worker says: at most one "ready", before the first byte of a stream, then one of the others. */
export type Answer =
  | { readonly kind: 'ready'; readonly value: unknown }
  | { readonly kind: 'done'; readonly value: unknown }
  /** code: an errno's name, or '' */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };
