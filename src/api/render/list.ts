import type { ContainerView } from '../../engine/views.ts';
import type { ContainerState } from '../../model/container.ts';
import type { Health } from '../../model/health.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { renderNetworks } from './container.ts';
import { humanDuration } from './duration.ts';
import { renderNetworkMode } from './hostconfig.ts';
import { renderMounts } from './mount.ts';
import { renderPortList } from './ports.ts';

/** Bytes. */
export interface ContainerSizes {
  /** What it wrote itself */
  readonly written: number;
  /** With its image */
  readonly root: number;
}

/** One entry of GET /containers/json. @param now milliseconds since 1970 */
export function renderSummary(view: ContainerView, version: ApiVersion, now: number, sizes?: ContainerSizes) {
  const { container } = view;
  const { spec } = container;
  return {
    Id: container.id,
    Names: [`/${container.name}`, ...view.linkNames],
    Image: spec.image,
    ImageID: container.imageId,
    Command: container.args.map(quote).join(' '),
    Created: Math.floor(Date.parse(container.created) / 1000),
    Ports: renderPortList(view),
    ...(sizes === undefined ? {} : renderSizes(sizes)),
    Labels: spec.labels,
    State: container.state.status,
    Status: renderStatus(container.state, now, view.health),
    HostConfig: {
      NetworkMode: renderNetworkMode(spec.networkMode),
      ...(atLeast(version, '1.46') ? { Annotations: spec.isolation.annotations } : {}),
    },
    NetworkSettings: { Networks: renderNetworks(view, version) },
    Mounts: renderMounts(view.container.mounts, view.volumePaths),
  };
}

/** Docker leaves out what is 0. */
function renderSizes({ written, root }: ContainerSizes) {
  return { ...(written === 0 ? {} : { SizeRw: written }), SizeRootFs: root };
}

/** "Up 47 seconds", "Exited (0) 12 seconds ago" (moby: container/state.go). */
export function renderStatus(state: ContainerState, now: number, health?: Health): string {
  const since = (time: string) => humanDuration(Math.max(0, now - Date.parse(time)));
  switch (state.status) {
    case 'created':
      return 'Created';
    case 'dead':
      return 'Dead';
    case 'running':
      return `Up ${since(state.startedAt)}${health === undefined ? '' : ` (${healthWord(health)})`}`;
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

function healthWord({ status }: Health): string {
  return status === 'starting' ? 'health: starting' : status;
}

/** An argument with spaces shows its quotes. */
function quote(argument: string): string {
  return argument.includes(' ') ? `'${argument}'` : argument;
}
