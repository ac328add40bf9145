import type { RegistryConfig } from '../src/model/registry.ts';
import type { RegistryOptions } from '../src/runtime/registry/registry.ts';

/** dockerd's defaults. */
export const NO_REGISTRIES: RegistryConfig = {
  mirrors: [],
  insecure: [],
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxDownloadAttempts: 5,
};

export const NO_REGISTRY_OPTIONS: RegistryOptions = {
  config: NO_REGISTRIES,
  stallTimeout: 30_000,
  environment: {},
  userAgent: 'Fairway/test',
};
