import type { RegistryConfig } from '../model/registry.ts';
import type { ReloadableConfig } from './config.ts';

/** The part of the configuration that a reload changes. Who keeps something of it asks again each time. */
export class LiveSettings {
  #current: ReloadableConfig;

  constructor(initial: ReloadableConfig) {
    this.#current = initial;
  }

  get current(): ReloadableConfig {
    return this.#current;
  }

  replace(next: ReloadableConfig): void {
    this.#current = next;
  }

  /** A view that follows. */
  get registry(): RegistryConfig {
    const read = () => this.#current.registry;
    return {
      get mirrors() {
        return read().mirrors;
      },
      get insecure() {
        return read().insecure;
      },
      get maxConcurrentDownloads() {
        return read().maxConcurrentDownloads;
      },
      get maxConcurrentUploads() {
        return read().maxConcurrentUploads;
      },
      get maxDownloadAttempts() {
        return read().maxDownloadAttempts;
      },
    };
  }
}

/** As dockerd's event tells it: lists as JSON, everything else as text (moby: daemon/reload.go). */
export function reloadAttributes(config: ReloadableConfig) {
  const { debug, labels, liveRestore, shutdownTimeout, registry, runtimes } = config;
  return {
    debug: String(debug),
    labels: JSON.stringify(labels),
    'live-restore': String(liveRestore),
    'shutdown-timeout': String(shutdownTimeout),
    'registry-mirrors': JSON.stringify(registry.mirrors),
    'insecure-registries': JSON.stringify(registry.insecure),
    'max-concurrent-downloads': String(registry.maxConcurrentDownloads),
    'max-concurrent-uploads': String(registry.maxConcurrentUploads),
    'max-download-attempts': String(registry.maxDownloadAttempts),
    'default-runtime': runtimes.chosen,
    runtimes: Object.entries(runtimes.byName)
      .map(([name, { path }]) => `${name}:${path}`)
      .join(' '),
  };
}
