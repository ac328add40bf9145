import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { healthSection } from '../model/health.ts';
import { shortId } from '../model/network.ts';
import type { CommitRequest } from '../runtime/images/commit.ts';
import { familiarReference, parseTag } from '../runtime/images/reference.ts';
import { pauseContainer, unpauseContainer } from './container-stop.ts';
import { type Core, containerEvent } from './core.ts';
import { imageEvent } from './image-events.ts';
import { findContainer } from './lookup.ts';

/** What a user says of an image made from a container. */
export type ContainerCommit = Omit<CommitRequest, 'container' | 'image' | 'config'> & {
  /** Holds the container meanwhile, so that its files are of one moment */
  readonly pause: boolean;
};

/**
 * Makes an image of a container, running or not.
 * @returns its id
 * @throws EngineError notFound, invalidArgument, conflict
 */
export async function commitContainer(core: Core, reference: string, request: ContainerCommit): Promise<string> {
  const container = findContainer(core.state.containers, reference);
  if (container.state.status === 'dead') {
    throw new EngineError('conflict', `You cannot commit container ${shortId(container.id)} which is Dead`);
  }
  const work = () =>
    core.runtime.images.commit({
      ...request,
      container: container.id,
      image: container.imageId,
      config: configOf(container),
    });
  const id = await (request.pause && container.state.status === 'running'
    ? whilePaused(core, container, work)
    : work());
  const { repository = '', tag = '', comment } = request;
  const name = repository === '' ? '' : familiarReference(parseTag(repository, tag));
  const image = await core.runtime.images.find(id).catch(() => undefined);
  imageEvent(core, 'create', { id, image });
  if (name !== '') imageEvent(core, 'tag', { id, image, name });
  containerEvent(core, container, 'commit', { comment, imageID: id, imageRef: name });
  return id;
}

/** One that cannot be paused, since it just ends, is taken as it is. */
async function whilePaused<T>(core: Core, { id }: Container, work: () => Promise<T>): Promise<T> {
  await pauseContainer(core, id).catch(() => undefined);
  try {
    return await work();
  } finally {
    // It may have been unpaused, killed or removed meanwhile: then there is nothing to take back.
    if (core.state.containers.get(id)?.state.status === 'paused') await unpauseContainer(core, id);
  }
}

/** How the container runs, as an image would say it. */
function configOf({ spec }: Container): CommitRequest['config'] {
  const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  return {
    User: spec.user,
    Env: spec.env,
    Entrypoint: spec.entrypoint ?? null,
    Cmd: spec.command ?? null,
    WorkingDir: spec.workingDirectory,
    ExposedPorts: keys(spec.exposedPorts),
    Labels: spec.labels,
    StopSignal: spec.stopSignal ?? '',
    Healthcheck: spec.healthCheck === undefined ? null : healthSection(spec.healthCheck),
    Shell: spec.shell ?? null,
  };
}
