import { bind, type Service } from '../../grpc/service.ts';
import { Channel, type ContainerdOptions } from './channel.ts';
import { containersService } from './protos/containers.ts';
import { contentService } from './protos/content.ts';
import { diffService } from './protos/diff.ts';
import { eventsService } from './protos/events.ts';
import { imagesService } from './protos/images.ts';
import { leasesService } from './protos/leases.ts';
import { snapshotsService } from './protos/snapshots.ts';
import { tasksService } from './protos/tasks.ts';
import { versionService } from './protos/version.ts';

/** containerd's namespace that holds everything of ours, unless `--containerd-namespace` names another. */
export const NAMESPACE = 'fairway';
/** Containers and images live in containerd's overlay snapshotter. */
export const SNAPSHOTTER = 'overlayfs';

/**
 * containerd's API, typed: `containerd.tasks.start({ containerId })`. Fields left out of a request are proto3's
 * defaults; answers have all fields. Every method throws GrpcError.
 */
export class Containerd {
  readonly containers: Service<typeof containersService, ContainerdOptions>;
  readonly tasks: Service<typeof tasksService, ContainerdOptions>;
  readonly snapshots: Service<typeof snapshotsService, ContainerdOptions>;
  readonly images: Service<typeof imagesService, ContainerdOptions>;
  readonly content: Service<typeof contentService, ContainerdOptions>;
  readonly diff: Service<typeof diffService, ContainerdOptions>;
  readonly events: Service<typeof eventsService, ContainerdOptions>;
  readonly leases: Service<typeof leasesService, ContainerdOptions>;
  readonly version: Service<typeof versionService, ContainerdOptions>;
  /** Path of its Unix socket */
  readonly socket: string;
  readonly namespace: string;
  readonly #channel: Channel;

  /** Connects when first used, and again after containerd was restarted. @param socket path of its Unix socket */
  constructor(socket: string, namespace: string = NAMESPACE) {
    const channel = new Channel(socket, namespace);
    this.socket = socket;
    this.namespace = namespace;
    this.#channel = channel;
    this.containers = bind(channel, containersService);
    this.tasks = bind(channel, tasksService);
    this.snapshots = bind(channel, snapshotsService);
    this.images = bind(channel, imagesService);
    this.content = bind(channel, contentService);
    this.diff = bind(channel, diffService);
    this.events = bind(channel, eventsService);
    this.leases = bind(channel, leasesService);
    this.version = bind(channel, versionService);
  }

  /** @throws GrpcError unavailable when nobody answers at the socket */
  static async connect(
    socket: string,
    options: { readonly namespace?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Containerd> {
    const { namespace, signal } = options;
    const containerd = new Containerd(socket, namespace);
    try {
      await containerd.version.version({}, { signal });
      return containerd;
    } catch (error) {
      containerd.close();
      throw error;
    }
  }

  close(): void {
    this.#channel.close();
  }
}
