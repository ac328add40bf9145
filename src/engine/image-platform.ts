import { EngineError } from '../model/errors.ts';
import type { Image } from '../model/image.ts';
import { fitsPlatform, hostPlatform, platformName } from '../model/platform.ts';
import type { Platform } from '../model/registry.ts';

/** @param name as it was asked for @throws EngineError notFound in Docker's words when it is for another */
export function expectPlatform(image: Image, platform: Platform | undefined, name: string): void {
  if (platform === undefined || fitsPlatform(image, platform)) return;
  throw new EngineError(
    'notFound',
    `image with reference ${name} was found but its platform (${platformName(image)}) does not match the specified platform (${platformName(platform)})`,
  );
}

/** What is said of a container whose image is for another machine, by chance: whether it runs is up to the kernel (binfmt_misc). */
export function platformWarnings(image: Image, asked: Platform | undefined): string[] {
  const own = hostPlatform();
  if (asked !== undefined || image.architecture === '' || fitsPlatform(image, own)) return [];
  return [
    `The requested image's platform (${platformName(image)}) does not match the detected host platform (${platformName(own)}) and no specific platform was requested`,
  ];
}
