import packageFile from '../../package.json' with { type: 'json' };

/** Fairway's own version, from package.json. */
export const VERSION: string = packageFile.version;
