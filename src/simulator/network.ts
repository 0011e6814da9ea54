/** The network of one endpoint: its documented limits of requests, connections and bytes, as they are met by calls. */
import type { Socket } from 'node:net';
import { Rate } from './rate.ts';
import type { EndpointBounds } from './serving-settings.ts';

export class Network {
  readonly bounds: EndpointBounds;
  /** Of requests and answers together. */
  readonly bandwidth: Rate;
  readonly #requests: Rate;
  readonly #newConnections: Rate;
  readonly #connections: Set<Socket>;

  /**
   * @param speed multiplies what there is in a second, where the GPUs behind are sped up and more is sent.
   * @param before whose connections are open still.
   */
  constructor(bounds: EndpointBounds, speed: number, before?: Network) {
    this.bounds = bounds;
    this.bandwidth = new Rate(bounds.bytesPerSecond * speed);
    this.#requests = new Rate(bounds.requestsPerSecond * speed);
    this.#newConnections = new Rate(bounds.newConnectionsPerSecond * speed);
    this.#connections = before === undefined ? new Set() : before.#connections;
  }

  /** Counts a connection on its first call to this endpoint; false where it is one too many. */
  admitConnection(socket: Socket, nowMs: number): boolean {
    if (this.#connections.has(socket)) return true;
    if (this.#connections.size >= this.bounds.connections) return false;
    if (!this.#newConnections.tryTake(1, nowMs)) return false;
    this.#connections.add(socket);
    leaveOnClose(socket, this.#connections);
    return true;
  }

  admitRequest(nowMs: number): boolean {
    return this.#requests.tryTake(1, nowMs);
  }
}

/** The counts that a connection stands in: a client may call many endpoints by one, since all are at one address. */
const countsBySocket = new WeakMap<Socket, Set<Set<Socket>>>();

function leaveOnClose(socket: Socket, connections: Set<Socket>): void {
  let counts = countsBySocket.get(socket);
  if (counts === undefined) {
    const all = new Set<Set<Socket>>();
    countsBySocket.set(socket, all);
    socket.once('close', () => {
      for (const count of all) count.delete(socket);
    });
    counts = all;
  }
  counts.add(connections);
}

/** Whether two sets of bounds are the same. */
export function sameBounds(a: EndpointBounds, b: EndpointBounds): boolean {
  return (Object.keys(a) as (keyof EndpointBounds)[]).every((name) => a[name] === b[name]);
}
