import { EngineError } from '../model/errors.ts';
import type { Reader } from './reader.ts';
import { type Given, settingEntries } from './settings/index.ts';

/** A sentence for each setting that is taken and has no effect. A switch that is off asks for nothing. */
export function foreignWarnings(given: Given): string[] {
  return settingEntries().flatMap(([name, { flag, fileOnly, key, foreign }]) => {
    const value = given[name];
    const silent = value === undefined || value === '' || /^(0|f|false)$/i.test(String(value));
    if (foreign === undefined || silent) return [];
    return [`${fileOnly === true ? `"${key}"` : `--${flag}`} has no effect: ${foreign}`];
  });
}

/**
 * Settings whose silence would be dangerous or surprising: taken where they say what is so anyway.
 * @throws EngineError invalidArgument
 */
export function refuseUnlessDefault(read: Reader): void {
  const refuse = (message: string) => {
    throw new EngineError('invalidArgument', message);
  };
  if (read.list('authorizationPlugins').length > 0) {
    refuse('--authorization-plugin is not supported by Fairway: requests would go through without being asked about');
  }
  if (read.flag('rootless', 'rootless', false)) refuse('--rootless is not supported by Fairway: it needs root');
}
