// foundry-bench in Azure: one function app with its identity, its storage and its logs, allowed to deploy models to an
// Azure ML workspace that exists already. `azd up` deploys it.
targetScope = 'subscription'

@description('Names the resource group and, hashed, everything in it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of the app. Take the workspace\'s: latency is measured from here, and every millisecond to another region would count as the model\'s.')
@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Object id of whoever may read the results in the tables; with shared keys off, not even an owner can without a role. Empty for nobody.')
param principalId string = ''

@description('Node version of the app. 24 is supported until April 2028, 22 until April 2027.')
@allowed(['22', '24'])
param nodeVersion string = '24'

@description('Subscription of the Azure ML workspace; empty for the one deployed to.')
param mlSubscriptionId string = ''

@description('Resource group of the Azure ML workspace.')
@minLength(1)
param mlResourceGroup string

@description('Azure ML workspace in which models are deployed and measured. It must exist.')
@minLength(2)
@maxLength(33)
param mlWorkspaceName string

// The same for every deployment of this environment, and another for any other: endpoints are tagged with it, and the
// reaper deletes only what carries it.
var installationId = uniqueString(subscription().id, environmentName, location)
var tags = {
  'azd-env-name': environmentName
}
var workspace = {
  subscriptionId: empty(mlSubscriptionId) ? subscription().subscriptionId : mlSubscriptionId
  resourceGroup: mlResourceGroup
  workspace: mlWorkspaceName
}

resource group 'Microsoft.Resources/resourceGroups@2021-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-${installationId}'
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${installationId}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
    readerPrincipalId: principalId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: installationId
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
  }
}

module workspaceAccess 'modules/workspace-access.bicep' = {
  // The workspace's resource group is shared with others, so the deployment's name must be ours alone.
  name: 'foundry-bench-${installationId}'
  scope: resourceGroup(workspace.subscriptionId, workspace.resourceGroup)
  params: {
    workspaceName: workspace.workspace
    appPrincipalId: identity.outputs.principalId
  }
}

module app 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    suffix: installationId
    location: location
    tags: tags
    nodeVersion: nodeVersion
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    packageContainerName: storage.outputs.packageContainerName
    insightsConnectionString: monitoring.outputs.connectionString
    installationId: installationId
    workspaces: {
      default: workspace
    }
  }
  // A host that starts before it may deploy and delete endpoints would fail its first run.
  dependsOn: [workspaceAccess]
}

@description('Read by azd: where the services are deployed.')
output AZURE_RESOURCE_GROUP string = group.name
@description('Name of the function app, as az and func ask for it.')
output SERVICE_APP_NAME string = app.outputs.name
@description('Address of the page and of the API.')
output SERVICE_APP_URI string = app.outputs.uri
@description('The tag foundry-bench-owner of every endpoint that this installation creates.')
output FOUNDRY_BENCH_INSTALLATION string = installationId
