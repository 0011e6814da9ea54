/** What the workspaces list, all of them at once: one that is slow or refuses is told and keeps no other waiting. */
import { messageOf } from '../core/failure.ts';
import type { EndpointState, WatchdogServices } from '../services.ts';

export interface ListedEndpoint extends EndpointState {
  /** The name by which the settings know its workspace. */
  readonly workspace: string;
}

export interface EndpointListing {
  /** Whoever they belong to. */
  readonly endpoints: readonly ListedEndpoint[];
  /** A sentence for each workspace that could not be listed. */
  readonly troubles: readonly string[];
}

/** Never throws; a workspace that takes longer than `limitMs` counts as one that cannot be listed. */
export async function listEndpoints(
  services: Pick<WatchdogServices, 'settings' | 'controlPlane'>,
  limitMs: number,
): Promise<EndpointListing> {
  const listings = await Promise.all(
    services.settings.workspaces.map((workspace) => listWorkspace(services, workspace, limitMs)),
  );
  return {
    endpoints: listings.flatMap(({ endpoints }) => endpoints),
    troubles: listings.flatMap(({ troubles }) => troubles),
  };
}

async function listWorkspace(
  { controlPlane }: Pick<WatchdogServices, 'controlPlane'>,
  workspace: string,
  limitMs: number,
): Promise<EndpointListing> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it did not list its endpoints within ${limitMs / 1_000} s`)),
      limitMs,
    );
  });
  try {
    const found = await Promise.race([controlPlane.listEndpoints(workspace), late]);
    return { endpoints: found.map((endpoint) => ({ ...endpoint, workspace })), troubles: [] };
  } catch (error) {
    const told = messageOf(error);
    return {
      endpoints: [],
      troubles: [
        `The workspace ${workspace} was not looked at, and endpoints in it may be alive and billed: ${told}`,
      ],
    };
  } finally {
    clearTimeout(timer);
  }
}
