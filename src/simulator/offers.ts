/**
 * Marketplace offers: a partner's model is deployed only where the subscription has accepted its offer, which somebody
 * does by creating a `marketplaceSubscriptions` resource in a workspace.
 */
import { ArmError, badArgument, notFound } from './arm-error.ts';
import { isSameName, type Workspace, workspaceId } from './arm-resources.ts';
import { findModelByName, type Model } from './models.ts';

/** Offers accepted in all; a handful of models have one. */
const MAX_ACCEPTED = 200;

export interface AcceptedOffer extends Workspace {
  readonly name: string;
  /** As `azureml://registries/{r}/models/{m}`. */
  readonly modelId: string;
  readonly createdAtMs: number;
}

export class Offers {
  readonly accepted: AcceptedOffer[];

  constructor(accepted: readonly AcceptedOffer[]) {
    this.accepted = [...accepted];
  }

  list(workspace: Workspace): readonly unknown[] {
    return this.accepted.filter((offer) => isIn(offer, workspace)).map(viewOffer);
  }

  get(workspace: Workspace, name: string): unknown {
    return viewOffer(this.#find(workspace, name));
  }

  /** Accepts the offer of the model that the body names. */
  put(workspace: Workspace, name: string, body: unknown, nowMs: number): unknown {
    const modelId = (body as { properties?: { modelId?: unknown } } | undefined)?.properties?.modelId;
    const model = typeof modelId === 'string' ? findByModelId(modelId) : undefined;
    if (typeof modelId !== 'string' || model?.card.offer !== 'VM-withSurcharge') {
      throw badArgument('properties.modelId must name a model that has a marketplace offer.');
    }
    const existing = this.accepted.findIndex(
      (offer) => isIn(offer, workspace) && isSameName(offer.name, name),
    );
    if (existing >= 0) this.accepted.splice(existing, 1);
    if (this.accepted.length >= MAX_ACCEPTED)
      throw badArgument(`No more than ${MAX_ACCEPTED} offers can be accepted here.`);
    const { subscription, resourceGroup } = workspace;
    const offer = {
      subscription,
      resourceGroup,
      workspace: workspace.workspace,
      name,
      modelId,
      createdAtMs: nowMs,
    };
    this.accepted.push(offer);
    return viewOffer(offer);
  }

  delete(workspace: Workspace, name: string): void {
    this.accepted.splice(this.accepted.indexOf(this.#find(workspace, name)), 1);
  }

  /** Refuses the deployment of a model whose offer the subscription has not accepted. */
  require(subscription: string, model: Model): void {
    if (model.card.offer !== 'VM-withSurcharge') return;
    const isAccepted = this.accepted.some(
      (offer) => isSameName(offer.subscription, subscription) && findByModelId(offer.modelId) === model,
    );
    if (isAccepted) return;
    throw new ArmError(
      400,
      'MarketplaceSubscriptionRequired',
      `The model '${model.name}' by ${model.card.publisher} is offered through Azure Marketplace: subscription '${subscription}' must accept the offer before it can be deployed.`,
    );
  }

  #find(workspace: Workspace, name: string): AcceptedOffer {
    const offer = this.accepted.find((entry) => isIn(entry, workspace) && isSameName(entry.name, name));
    if (offer === undefined) throw notFound(`Marketplace subscription '${name}' was not found.`);
    return offer;
  }
}

function isIn(offer: Workspace, workspace: Workspace): boolean {
  return isSameName(workspaceId(offer), workspaceId(workspace));
}

function findByModelId(modelId: string): Model | undefined {
  const [, registry, name] = /^azureml:\/\/registries\/([\w.-]+)\/models\/([\w.-]+)/i.exec(modelId) ?? [];
  return registry === undefined || name === undefined ? undefined : findModelByName(registry, name);
}

function viewOffer(offer: AcceptedOffer) {
  const model = findByModelId(offer.modelId);
  const createdAt = new Date(offer.createdAtMs).toISOString();
  return {
    id: `${workspaceId(offer)}/marketplaceSubscriptions/${offer.name}`,
    name: offer.name,
    type: 'Microsoft.MachineLearningServices/workspaces/marketplaceSubscriptions',
    systemData: { createdAt, createdBy: 'simulator', createdByType: 'User' },
    properties: {
      modelId: offer.modelId,
      marketplacePlan: {
        publisherId: model?.card.publisher.toLowerCase() ?? '',
        offerId: `${model?.name.toLowerCase() ?? ''}-offer`,
        planId: 'surcharge',
      },
      marketplaceSubscriptionStatus: 'Subscribed',
      provisioningState: 'Succeeded',
    },
  };
}
