import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { Nftables } from '../../src/kernel/nftables.ts';
import { RouteSocket, TRASH_GROUP } from '../../src/kernel/rtnetlink.ts';
import { readSysctl } from '../../src/kernel/sysctl.ts';
import { KernelError } from '../../src/model/errors.ts';
import { type Blow, ELSEWHERE } from './blows.ts';
import type { Struck, Targets } from './strike.ts';

/*
 * A program of the test host: strikes one blow after the other and waits each time until the kernel is again exactly as it
 * was before. Reads Targets from its standard input and prints a Struck a line.
 */

/** Milliseconds between two looks; one takes some 5 ms. */
const LOOK = 2;
/** Of Ethernet: multicast or broadcast, which the kernel knows by itself */
const GROUP = /^.[13579bdf]/;

const { sandboxes, bridges, blows, patience } = JSON.parse(readFileSync(0, 'utf8')) as Targets;
const home = NetworkNamespace.home();
const places = [
  { name: 'host', socket: new RouteSocket(home), nftables: new Nftables(home), table: 'inet fairway' },
  ...sandboxes.map((name) => {
    const namespace = NetworkNamespace.open(name);
    const nftables = new Nftables(namespace);
    return { name, socket: new RouteSocket(namespace), nftables, table: 'ip fairway-resolver' };
  }),
];

spawnSync('ip', ['link', 'add', ELSEWHERE, 'address', '02:00:00:00:00:ee', 'type', 'bridge']);
for (const blow of blows) process.stdout.write(`${JSON.stringify(await strike(blow))}\n`);

async function strike({ name, command }: Blow): Promise<Struck> {
  const whole = picture();
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  const begin = performance.now();
  if (status !== 0) return { name, differs: [`"${command}" ended with ${status}: ${stderr}`] };
  for (;;) {
    const now = picture();
    const milliseconds = performance.now() - begin;
    if (now.join('\n') === whole.join('\n')) return { name, milliseconds };
    if (milliseconds > patience) return { name, differs: differences(whole, now) };
    await sleep(LOOK);
  }
}

function differences(wanted: readonly string[], found: readonly string[]): string[] {
  const minus = wanted.filter((line) => !found.includes(line)).map((line) => `- ${line}`);
  return [...minus, ...found.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`)];
}

/** All that could be told of the host, the sandboxes and the firewall, one thing a line, without what is new by nature. */
function picture(): string[] {
  const settings = [
    'net/ipv4/ip_forward',
    ...bridges.flatMap((bridge) => [`net/ipv4/conf/${bridge}/route_localnet`, `net/ipv6/conf/${bridge}/disable_ipv6`]),
  ];
  return [
    ...places.flatMap(({ name, socket }) => inPlace(name, socket)),
    ...sandboxes.map((path) => `${path} is ${identity(path)}`),
    ...settings.map((path) => `${path} = ${setting(path)}`),
    ...places.flatMap(({ name, nftables, table }) => firewall(nftables, table).map((line) => `${name} ${line}`)),
  ].sort();
}

/** MAC addresses of ports and the kernel's link-local addresses are made up each time. */
function inPlace(place: string, socket: RouteSocket): string[] {
  const links = socket.links().filter(({ group, name }) => group !== TRASH_GROUP && !name.startsWith('fwtrash'));
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const isOurs = ({ link }: { link: number }) => names.has(link);
  return [
    ...links.map(({ name, kind, mtu, mac, up, master, isolated }) => {
      const address = kind === 'veth' && place === 'host' ? '' : mac;
      return `${place} link ${name} ${kind} ${up} ${mtu} ${address} ${names.get(master)} ${isolated}`;
    }),
    ...socket
      .addresses()
      .filter((one) => isOurs(one) && !one.address.startsWith('fe80'))
      .map(({ link, address }) => `${place} address ${names.get(link)} ${address}`),
    ...socket
      .routes()
      .filter((one) => isOurs(one) && !/^f[ef]/.test(one.destination))
      .map(
        ({ link, destination, gateway, type }) => `${place} route ${destination} ${gateway} ${names.get(link)} ${type}`,
      ),
    ...fixed(place, socket, names),
  ];
}

/** Whom somebody has named as the holder of an address, for good. Ports' own MAC addresses are made up each time. */
function fixed(place: string, socket: RouteSocket, names: ReadonlyMap<number, string>): string[] {
  const own = new Set(socket.links().flatMap(({ kind, mac }) => (kind === 'veth' ? [mac] : [])));
  const entries = [...socket.neighbours(), ...socket.forwardings()].filter(
    (one) => one.fixed && !own.has(one.mac) && !GROUP.test(one.mac ?? ''),
  );
  return entries.flatMap((one) => {
    if (one.kind === 'forwarding') return [`${place} forwarding ${one.mac} ${names.get(one.port)}`];
    return names.get(one.link) === 'lo' ? [] : [`${place} neighbour ${one.address} ${one.mac} ${names.get(one.link)}`];
  });
}

function identity(path: string): string {
  try {
    return String(statSync(path).ino);
  } catch {
    return 'missing';
  }
}

function setting(path: string): string {
  try {
    return readSysctl(home, path);
  } catch (error) {
    if (error instanceof KernelError) return error.code;
    throw error;
  }
}

/** Numbers of rules, and what was counted, are left out. */
function firewall(nftables: Nftables, table: string): string[] {
  try {
    const { nftables: objects } = nftables.run(`list table ${table}`) as { nftables: object[] };
    return objects.map((object) =>
      JSON.stringify(object, (key, value: unknown) => {
        if (['handle', 'packets', 'bytes'].includes(key)) return undefined;
        return key === 'elem' && Array.isArray(value) ? value.map((one) => JSON.stringify(one)).sort() : value;
      }),
    );
  } catch (error) {
    if (error instanceof KernelError) return [error.code];
    throw error;
  }
}
