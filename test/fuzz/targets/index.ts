import type { Target } from '../target.ts';
import { targets as api } from './api.ts';
import { targets as build } from './build.ts';
import { targets as images } from './images.ts';
import { targets as texts } from './texts.ts';
import { targets as wire } from './wire.ts';

/** Every parser at an edge. A new one is one line in the list of its kind. */
export const targets: readonly Target[] = [...api, ...build, ...images, ...texts, ...wire];
