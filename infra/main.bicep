// foundry-bench in Azure. `azd up` deploys it: the app, the watchdog that ends what the app leaves behind, a budget
// that warns, and, unless one is named, an Azure ML workspace to deploy models in. Everything else is off until asked for.
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

@description('Object id of whoever may read the results in the tables and write the secrets; with shared keys off, not even an owner can without a role. Empty for nobody.')
param principalId string = ''

@description('Node version of both apps. 24 is supported until April 2028, 22 until April 2027.')
@allowed(['22', '24'])
param nodeVersion string = '24'

@description('Azure ML workspace in which models are deployed and measured. Empty creates one.')
@maxLength(33)
param mlWorkspaceName string = ''

@description('Resource group of that workspace.')
param mlResourceGroup string = ''

@description('Subscription of that workspace; empty for the one deployed to.')
param mlSubscriptionId string = ''

@description('What is created where no workspace is named: a workspace, or a hub with a project in it.')
@allowed(['Default', 'Hub'])
param newWorkspaceKind string = 'Default'

@description('Further workspaces, which specs name by target.workspace: name=subscription/resource group/workspace, separated by semicolons. H100 quota is often in another region than A100 quota.')
param moreWorkspaces string = ''

@description('Settings of the app beside those written here: NAME=value, separated by semicolons. Provisioning writes all settings anew, so what is added by hand is lost.')
param moreSettings string = ''

@description('Settings whose values are secrets, separated by commas, such as SCORING_KEY_PROD: each becomes a reference to a secret in a Key Vault that is created for them. Empty creates none.')
param secretSettings string = ''

@description('Whether the app may read quota and VM sizes in each workspace\'s subscription; off where nobody may assign a role there: then plans say that quota is unknown.')
@allowed(['on', 'off'])
param quotaReader string = 'on'

@description('Dollars per month in the workspace\'s resource group at which its owners are warned, at 50, 80 and 100 %. 0 turns the budget off.')
param budgetUsdPerMonth string = '500'

@description('Addresses that the budget warns beside the owners, separated by commas.')
param budgetEmails string = ''

@description('First day of the budget. Azure refuses to change it later, so azd keeps the first one (see the output of the same name).')
param budgetStart string = ''

@description('The first of this month; not meant to be given.')
param thisMonth string = utcNow('yyyy-MM-01')

@description('Regions of a registry for models of your own, separated by commas, the app\'s first; each has a registry of images that costs money while it stands. Empty creates none.')
param modelRegistryLocations string = ''

@description('Object ids that may read that registry beside the app, separated by commas: the identities of endpoints.')
param modelRegistryReaders string = ''

@description('Where Durable Functions keeps its state: in the app\'s storage account, or in a Durable Task Scheduler.')
@allowed(['storage', 'scheduler'])
param durableBackend string = 'storage'

@description('Client id of an app registration that asks people to sign in before the page and the API. Empty leaves the function keys alone to guard the API.')
param signInClientId string = ''

@description('Puts the app into a virtual network, with private endpoints for its storage and the workspace, so that endpoints without public access can be measured.')
@allowed(['on', 'off'])
param privateNetwork string = 'off'

// The same for every deployment of this environment, and another for any other: endpoints are tagged with it, and the
// reapers delete only what carries it.
var installationId = uniqueString(subscription().id, environmentName, location)
var groupName = 'rg-${environmentName}'
var tags = {
  'azd-env-name': environmentName
}
var isPrivate = privateNetwork == 'on'
var createsWorkspace = empty(mlWorkspaceName)
var workspace = {
  subscriptionId: createsWorkspace || empty(mlSubscriptionId) ? subscription().subscriptionId : mlSubscriptionId
  resourceGroup: createsWorkspace ? groupName : mlResourceGroup
  workspace: createsWorkspace ? 'mlw-${installationId}' : mlWorkspaceName
}
var otherWorkspaces = [for entry in (empty(moreWorkspaces) ? [] : split(moreWorkspaces, ';')): {
  name: split(entry, '=')[0]
  address: {
    subscriptionId: split(split(entry, '=')[1], '/')[0]
    resourceGroup: split(split(entry, '=')[1], '/')[1]
    workspace: split(split(entry, '=')[1], '/')[2]
  }
}]
var workspaces = union({ default: workspace }, toObject(otherWorkspaces, other => other.name, other => other.address))
var otherSettings = [for entry in (empty(moreSettings) ? [] : split(moreSettings, ';')): {
  name: split(entry, '=')[0]
  value: substring(entry, indexOf(entry, '=') + 1)
}]
var secretNames = empty(secretSettings) ? [] : split(secretSettings, ',')
// A registry of one's own is looked up in a region that has it; the public ones are known in every region.
var registrySettings = empty(modelRegistryLocations) ? [] : [
  { name: 'REGISTRY_ENDPOINT', value: 'https://${split(modelRegistryLocations, ',')[0]}.api.azureml.ms' }
]
var budgetFrom = empty(budgetStart) ? thisMonth : budgetStart
var hasBudget = int(budgetUsdPerMonth) > 0

resource group 'Microsoft.Resources/resourceGroups@2021-04-01' = {
  name: groupName
  location: location
  tags: tags
}

module appIdentity 'modules/identity.bicep' = {
  name: 'app-identity'
  scope: group
  params: {
    name: 'id-app-${installationId}'
    location: location
    tags: tags
  }
}

// The watchdog shares nothing with the app that could fail or be taken away with it: identity, storage, plan.
module watchdogIdentity 'modules/identity.bicep' = {
  name: 'watchdog-identity'
  scope: group
  params: {
    name: 'id-watchdog-${installationId}'
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (isPrivate) {
  name: 'network'
  scope: group
  params: {
    suffix: installationId
    location: location
    tags: tags
  }
}

module appStorage 'modules/storage.bicep' = {
  name: 'app-storage'
  scope: group
  params: {
    name: 'st${installationId}'
    location: location
    tags: tags
    appPrincipalId: appIdentity.outputs.principalId
    keepsTables: true
    readerPrincipalId: principalId
    endpointSubnetId: isPrivate ? network.outputs.endpointSubnetId : ''
    dnsZoneIds: isPrivate ? network.outputs.storageZoneIds : {}
  }
}

module watchdogStorage 'modules/storage.bicep' = {
  name: 'watchdog-storage'
  scope: group
  params: {
    name: 'stw${installationId}'
    location: location
    tags: tags
    appPrincipalId: watchdogIdentity.outputs.principalId
    keepsTables: false
    readerPrincipalId: ''
    // It stays outside of the network: whatever breaks that must not silence the watchdog.
    endpointSubnetId: ''
    dnsZoneIds: {}
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: installationId
    location: location
    tags: tags
    senderPrincipalIds: [
      appIdentity.outputs.principalId
      watchdogIdentity.outputs.principalId
    ]
  }
}

module newWorkspace 'modules/workspace.bicep' = if (createsWorkspace) {
  name: 'workspace'
  scope: group
  params: {
    suffix: installationId
    workspaceName: workspace.workspace
    kind: newWorkspaceKind
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    isPrivate: isPrivate
  }
}

module workspaceAccess 'modules/workspace-access.bicep' = {
  // The workspace's resource group may be shared with others, so the deployment's name must be ours alone.
  name: 'foundry-bench-${installationId}'
  scope: resourceGroup(workspace.subscriptionId, workspace.resourceGroup)
  params: {
    workspaceName: workspace.workspace
    appPrincipalId: appIdentity.outputs.principalId
    watchdogPrincipalId: watchdogIdentity.outputs.principalId
  }
  dependsOn: [newWorkspace, group]
}

module otherWorkspaceAccess 'modules/workspace-access.bicep' = [for other in otherWorkspaces: {
  name: 'foundry-bench-${other.name}-${installationId}'
  scope: resourceGroup(other.address.subscriptionId, other.address.resourceGroup)
  params: {
    workspaceName: other.address.workspace
    appPrincipalId: appIdentity.outputs.principalId
    watchdogPrincipalId: watchdogIdentity.outputs.principalId
  }
}]

module quotaAccess 'modules/quota-access.bicep' = if (quotaReader == 'on') {
  name: 'foundry-bench-quota-${installationId}'
  scope: subscription(workspace.subscriptionId)
  params: {
    appPrincipalId: appIdentity.outputs.principalId
  }
}

module otherQuotaAccess 'modules/quota-access.bicep' = [for other in otherWorkspaces: if (quotaReader == 'on') {
  name: 'foundry-bench-quota-${other.name}-${installationId}'
  scope: subscription(other.address.subscriptionId)
  params: {
    appPrincipalId: appIdentity.outputs.principalId
  }
}]

module workspaceEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  name: 'workspace-endpoint'
  scope: group
  params: {
    name: 'pe-workspace-${installationId}'
    location: location
    tags: tags
    subnetId: network.outputs.endpointSubnetId
    // Of a project that exists already its hub would have to be named; give the hub an endpoint by hand then.
    targetId: createsWorkspace ? newWorkspace.outputs.linkedId : resourceId(workspace.subscriptionId, workspace.resourceGroup, 'Microsoft.MachineLearningServices/workspaces', workspace.workspace)
    targetPart: 'amlworkspace'
    zoneIds: network.outputs.workspaceZoneIds
  }
}

module budget 'modules/budget.bicep' = if (hasBudget) {
  name: 'foundry-bench-budget-${installationId}'
  scope: resourceGroup(workspace.subscriptionId, workspace.resourceGroup)
  params: {
    name: 'foundry-bench-${installationId}'
    usdPerMonth: int(budgetUsdPerMonth)
    startDate: budgetFrom
    emails: empty(budgetEmails) ? [] : split(budgetEmails, ',')
  }
  dependsOn: [group]
}

module secrets 'modules/secrets.bicep' = if (!empty(secretNames)) {
  name: 'secrets'
  scope: group
  params: {
    name: 'kv-${installationId}'
    location: location
    tags: tags
    settingNames: secretNames
    appPrincipalId: appIdentity.outputs.principalId
    writerPrincipalId: principalId
  }
}

module registry 'modules/registry.bicep' = if (!empty(modelRegistryLocations)) {
  name: 'registry'
  scope: group
  params: {
    name: 'reg-${installationId}'
    locations: split(modelRegistryLocations, ',')
    tags: tags
    readerPrincipalIds: concat([appIdentity.outputs.principalId], empty(modelRegistryReaders) ? [] : split(modelRegistryReaders, ','))
  }
}

module scheduler 'modules/durable-task-scheduler.bicep' = if (durableBackend == 'scheduler') {
  name: 'scheduler'
  scope: group
  params: {
    name: 'dts-${installationId}'
    location: location
    tags: tags
    appPrincipalId: appIdentity.outputs.principalId
    appClientId: appIdentity.outputs.clientId
  }
}

module app 'modules/function-app.bicep' = {
  name: 'app'
  scope: group
  params: {
    name: 'func-${installationId}'
    serviceName: 'app'
    location: location
    tags: tags
    nodeVersion: nodeVersion
    // The largest: the load loop has a thread of its own, and times are only true while it never waits for a core.
    instanceMemoryMB: 4096
    identityId: appIdentity.outputs.id
    identityClientId: appIdentity.outputs.clientId
    blobEndpoint: appStorage.outputs.blobEndpoint
    packageContainerName: appStorage.outputs.packageContainerName
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: isPrivate ? network.outputs.appSubnetId : ''
    settings: concat([
      // Durable Functions' storage, by identity, beside the host's.
      { name: 'AzureWebJobsStorage__queueServiceUri', value: appStorage.outputs.queueEndpoint }
      { name: 'AzureWebJobsStorage__tableServiceUri', value: appStorage.outputs.tableEndpoint }
      // The page of the app answers at /, not the platform's.
      { name: 'AzureWebJobsDisableHomepage', value: 'true' }
      { name: 'FOUNDRY_BENCH_ROLE', value: 'app' }
      { name: 'INSTALLATION_ID', value: installationId }
      { name: 'WORKSPACES', value: string(workspaces) }
      { name: 'TABLES_ENDPOINT', value: appStorage.outputs.tableEndpoint }
    ], durableBackend == 'scheduler' ? scheduler.outputs.settings : [], empty(secretNames) ? [] : secrets.outputs.settings, registrySettings, otherSettings)
  }
  // A host that starts before it may deploy and delete endpoints would fail its first run.
  dependsOn: [workspaceAccess]
}

module watchdog 'modules/function-app.bicep' = {
  name: 'watchdog'
  scope: group
  params: {
    name: 'func-watchdog-${installationId}'
    serviceName: 'watchdog'
    location: location
    tags: tags
    nodeVersion: nodeVersion
    instanceMemoryMB: 2048
    identityId: watchdogIdentity.outputs.id
    identityClientId: watchdogIdentity.outputs.clientId
    blobEndpoint: watchdogStorage.outputs.blobEndpoint
    packageContainerName: watchdogStorage.outputs.packageContainerName
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: ''
    // No tables, no prices, no secrets: it knows which endpoints are the app's, and when their time is over.
    settings: [
      { name: 'FOUNDRY_BENCH_ROLE', value: 'watchdog' }
      { name: 'INSTALLATION_ID', value: installationId }
      { name: 'WORKSPACES', value: string(workspaces) }
    ]
  }
  dependsOn: [workspaceAccess]
}

module signIn 'modules/sign-in.bicep' = if (!empty(signInClientId)) {
  name: 'sign-in'
  scope: group
  params: {
    appName: app.outputs.name
    clientId: signInClientId
  }
}

@description('Read by azd: where the services are deployed.')
output AZURE_RESOURCE_GROUP string = group.name
@description('Name of the function app, as az, func and the predown hook ask for it.')
output SERVICE_APP_NAME string = app.outputs.name
@description('Address of the page and of the API.')
output SERVICE_APP_URI string = app.outputs.uri
@description('Name of the watchdog.')
output SERVICE_WATCHDOG_NAME string = watchdog.outputs.name
@description('The tag foundry-bench-owner of every endpoint that this installation creates; read by the predown hook.')
output FOUNDRY_BENCH_INSTALLATION string = installationId
@description('Where endpoints may be, as moreWorkspaces is written; read by the predown hook.')
output FOUNDRY_BENCH_WORKSPACES string = join(concat(['default=${workspace.subscriptionId}/${workspace.resourceGroup}/${workspace.workspace}'], empty(moreWorkspaces) ? [] : [moreWorkspaces]), ';')
@description('Given back as budgetStart the next time, since Azure refuses to change it.')
output FOUNDRY_BENCH_BUDGET_START string = budgetFrom
@description('Key Vault of the settings in secretSettings; empty where there are none.')
output FOUNDRY_BENCH_KEY_VAULT string = empty(secretNames) ? '' : secrets.outputs.name
@description('Registry for models of your own, for model.registry of a spec; empty where there is none.')
output FOUNDRY_BENCH_REGISTRY string = empty(modelRegistryLocations) ? '' : registry.outputs.name
