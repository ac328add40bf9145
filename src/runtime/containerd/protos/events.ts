import { message, nested, repeatedString, string } from '../../../grpc/protobuf.ts';
import { type ServiceTable, serverStream } from '../../../grpc/service.ts';
import { Any, timestamp } from './types.ts';

/** One event: `topic` as "/tasks/exit", `event` an Any of "containerd.events.TaskExit". */
const Envelope = message({ timestamp: timestamp(1), namespace: string(2), topic: string(3), event: nested(4, Any) });

/** containerd.events.TaskOOM */
export const TaskOom = message({ containerId: string(1) });

/** containerd.services.events.v1.Events */
export const eventsService = {
  name: 'containerd.services.events.v1.Events',
  streams: {
    /** Filters are or-ed: `topic=="/tasks/exit",namespace==fairway`. Never ends by itself. */
    subscribe: serverStream('Subscribe', message({ filters: repeatedString(1) }), Envelope),
  },
} satisfies ServiceTable;
