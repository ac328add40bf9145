/** The thread of LinkBin: deletes the trash group each time it is asked, and says how it went. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage, KernelError } from '../model/errors.ts';
import { NetworkNamespace } from './netns.ts';
import { RouteSocket, TRASH_GROUP } from './rtnetlink.ts';
import type { TrashWorkerData } from './trash.ts';

const { namespace }: TrashWorkerData = workerData;
const socket = new RouteSocket(NetworkNamespace.open(namespace));

parentPort?.on('message', () => {
  parentPort?.postMessage(empty());
});

function empty(): string | undefined {
  try {
    socket.batch().deleteGroup(TRASH_GROUP).send();
    return undefined;
  } catch (error) {
    // ENODEV: nothing is in the group
    return error instanceof KernelError && error.code === 'ENODEV' ? undefined : errorMessage(error);
  }
}
