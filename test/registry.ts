import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type Finished, type TestHost } from './host.ts';
import type { BuiltBlob, BuiltImage } from './oci.ts';
import type { ProxyRule, SeenRequest } from './registry-proxy.ts';

export interface RegistryPlace {
  readonly port: number;
  /** On the LAN instead of the host itself: 192.0.2.1 */
  readonly lan?: boolean;
  /** YAML below `auth:`, two spaces in front */
  readonly auth?: string;
  /** "user:password" for what the test itself sends */
  readonly user?: string;
  /** Paths of certificate and key */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Debian's docker-registry on a test host, or on the LAN beside it. */
export class TestRegistry {
  readonly #host: TestHost;
  readonly #place: RegistryPlace;
  #files = 0;

  private constructor(host: TestHost, place: RegistryPlace) {
    this.#host = host;
    this.#place = place;
  }

  static async start(host: TestHost, place: RegistryPlace): Promise<TestRegistry> {
    const { port, lan = false, auth, tls } = place;
    const address = lan ? '192.0.2.1' : '127.0.0.1';
    const registry = new TestRegistry(host, place);
    const files = registry.#folder;
    const config = [
      'version: 0.1',
      'log: {level: error, accesslog: {disabled: true}}',
      `storage: {filesystem: {rootdirectory: ${files}/data}, delete: {enabled: true}}`,
      'http:',
      `  addr: "${address}:${port}"`,
      ...(tls === undefined ? [] : [`  tls: {certificate: ${tls.certificate}, key: ${tls.key}}`]),
      ...(auth === undefined ? [] : ['auth:', auth]),
    ].join('\n');
    if (lan) await host.lanShell('mountpoint -q /srv || mount -t tmpfs tmpfs /srv');
    await registry.#shell(`mkdir -p ${files}; cat > ${files}/config.yml`, config);
    const command = ['docker-registry', 'serve', `${files}/config.yml`];
    const child = lan ? host.spawnLan(command) : host.spawn(command);
    child.stdout?.resume();
    child.stderr?.resume();
    await eventually('the registry answers', async () => (await registry.#curl(['-o', '/dev/null'], '/v2/')) !== '000');
    return registry;
  }

  /** As in image names: "127.0.0.1:5000" */
  get address(): string {
    return `${this.#place.lan === true ? '192.0.2.1' : '127.0.0.1'}:${this.#place.port}`;
  }

  /** An image with all its blobs, under a tag. */
  async putImage(repository: string, tag: string, built: BuiltImage): Promise<void> {
    const blobs = new Map([...built.layers, built.config].map((blob) => [blob.descriptor.digest, blob]));
    for (const blob of blobs.values()) await this.putBlob(repository, blob);
    await this.putManifest(repository, tag, built.manifest);
  }

  async putBlob(repository: string, { bytes, descriptor }: BuiltBlob): Promise<void> {
    const location = await this.#curl(['-X', 'POST', '-D', '-', '-o', '/dev/null'], `/v2/${repository}/blobs/uploads/`);
    const path = /^location: https?:\/\/[^/]*(\S+)/im.exec(location)?.[1];
    if (path === undefined) throw new Error(`no upload was opened: ${location}`);
    const to = `${path}${path.includes('?') ? '&' : '?'}digest=${descriptor.digest}`;
    await this.#send(to, bytes, 'application/octet-stream');
  }

  /** @param reference a tag or its own digest */
  async putManifest(repository: string, reference: string, { bytes, descriptor }: BuiltBlob): Promise<void> {
    await this.#send(`/v2/${repository}/manifests/${reference}`, bytes, descriptor.mediaType);
  }

  async #send(path: string, bytes: Buffer, type: string): Promise<void> {
    const file = `/run/upload-${this.#place.port}-${this.#files++}`;
    writeFileSync(this.#host.path(file), bytes);
    const finished = await this.#curl(['-X', 'PUT', '-H', `Content-Type: ${type}`, '-T', file], path);
    await this.#host.out(['rm', file]);
    if (!finished.endsWith('201')) throw new Error(`PUT ${path}: ${finished}`);
  }

  get #folder(): string {
    return `${this.#place.lan === true ? '/srv' : '/run'}/registry-${this.#place.port}`;
  }

  /** @returns what came, and the status behind it */
  async #curl(options: readonly string[], path: string): Promise<string> {
    const { tls, user } = this.#place;
    const own = [...(user === undefined ? [] : ['-u', user]), '-s', '-k', '-w', '%{http_code}'];
    const url = `http${tls === undefined ? '' : 's'}://${this.address}${path}`;
    return (await this.#host.exec(['curl', ...own, ...options, url])).stdout;
  }

  /** On the LAN files go to a tmpfs of its own. */
  async #shell(script: string, input: string): Promise<void> {
    const command = ['sh', '-c', script];
    const finished = await (this.#place.lan === true
      ? this.#host.lan(command, { input })
      : this.#host.exec(command, { input }));
    if (finished.code !== 0) throw new Error(`${script}: ${finished.stderr}`);
  }
}

/** A registry-proxy.ts on the test host, before a registry there. */
export class TestProxy {
  readonly #host: TestHost;
  readonly #port: number;

  private constructor(host: TestHost, port: number) {
    this.#host = host;
    this.#port = port;
  }

  static async start(host: TestHost, port: number, target: number): Promise<TestProxy> {
    const proxy = new TestProxy(host, port);
    const script = join(import.meta.dirname, 'registry-proxy.ts');
    const child = host.spawn([
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      script,
      `${port}`,
      `${target}`,
    ]);
    child.stderr?.pipe(process.stderr);
    child.stdout?.resume();
    await eventually('the proxy answers', async () => (await proxy.#ask('/_seen')).code === 0);
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** In place of the rules before; what was held goes on, what was seen is forgotten. */
  async rules(...rules: readonly ProxyRule[]): Promise<void> {
    await this.#ask('/_rules', JSON.stringify(rules));
  }

  async seen(request: RegExp): Promise<SeenRequest[]> {
    const all = JSON.parse((await this.#ask('/_seen')).stdout) as SeenRequest[];
    return all.filter((each) => request.test(each.request));
  }

  #ask(path: string, body?: string): Promise<Finished> {
    const data = body === undefined ? [] : ['--data-binary', '@-'];
    return this.#host.exec(['curl', '-sf', ...data, `http://${this.address}${path}`], { input: body ?? '' });
  }
}
