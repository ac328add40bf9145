import type { ContainerSpec } from '../../model/container.ts';
import { invalid } from '../status.ts';
import { type ApiVersion, atLeast } from '../version.ts';

const OPTION = 'com.docker.network.endpoint.sysctls';

/**
 * `--sysctl net.ipv4.conf.eth0.log_martians=1` says something of a link, which an endpoint's driver option says since API
 * 1.46. For clients before 1.48 it becomes the main network's option, and a warning tells of it (moby: handleSysctlBC).
 * @throws EngineError invalidArgument in Docker's words, for newer clients and for links that have no certain name
 */
export function moveLinkSysctls(spec: ContainerSpec, version: ApiVersion): { spec: ContainerSpec; warnings: string[] } {
  const { isolation, networkMode, endpoints } = spec;
  const [main, ...others] = endpoints;
  const moving = Object.entries(isolation.sysctls).filter(([name]) => linkOf(name) !== undefined);
  if (moving.length === 0 || networkMode.kind !== 'network' || main === undefined) return { spec, warnings: [] };
  for (const [name] of moving) refuse(name, version);
  const names = moving.map(([name]) => name).join(',');
  const option = moving.map(([name, value]) => `${name.replace(/\.eth0\./, '.IFNAME.')}=${value}`).join(',');
  const own = main.driverOptions[OPTION];
  // What was said of the endpoint itself comes last, and holds.
  const driverOptions = { ...main.driverOptions, [OPTION]: own === undefined ? option : `${option},${own}` };
  const sysctls = Object.fromEntries(Object.entries(isolation.sysctls).filter(([name]) => linkOf(name) === undefined));
  return {
    spec: { ...spec, isolation: { ...isolation, sysctls }, endpoints: [{ ...main, driverOptions }, ...others] },
    warnings: [`Migrated sysctl "${names}" to DriverOpts{"${OPTION}":"${option}"}.`],
  };
}

/** Of "net.ipv4.conf.eth0.log_martians": "eth0". */
function linkOf(name: string): string | undefined {
  return /^net\.[^.]*\.[^.]*\.(eth[^.]*)\../.exec(name)?.[1];
}

function refuse(name: string, version: ApiVersion): void {
  if (atLeast(version, '1.48')) {
    throw invalid(`interface specific sysctl setting "${name}" must be supplied using driver option '${OPTION}'`);
  }
  if (linkOf(name) === 'eth0') return;
  const advice = `use driver option '${OPTION}' to set per-interface sysctls`;
  throw invalid(`unable to determine network endpoint for sysctl ${name}, ${advice}`);
}
