// An Azure ML workspace to deploy models in, or a hub with a project: for whoever has none. It costs nothing while no
// endpoint is alive, but for the few cents of its storage.
param suffix string

@description('Name of the workspace, or of the project where a hub is made.')
param workspaceName string

@allowed(['Default', 'Hub'])
param kind string

param location string
param tags object

@description('Where the workspace sends its logs.')
param insightsId string

@description('Whether the workspace is reached through a private endpoint only.')
param isPrivate bool

// The workspace reaches this account by key, as it does by default: whether catalog deployments work without is not known.
resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'stml${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kvml-${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    softDeleteRetentionInDays: 7
  }
}

resource standalone 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = if (kind == 'Default') {
  name: workspaceName
  location: location
  tags: tags
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: workspaceName
    storageAccount: account.id
    keyVault: vault.id
    applicationInsights: insightsId
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource hub 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = if (kind == 'Hub') {
  name: 'hub-${suffix}'
  location: location
  tags: tags
  kind: 'Hub'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: 'hub-${suffix}'
    storageAccount: account.id
    keyVault: vault.id
    applicationInsights: insightsId
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource project 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = if (kind == 'Hub') {
  name: workspaceName
  location: location
  tags: tags
  kind: 'Project'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: workspaceName
    hubResourceId: hub.id
  }
}

@description('What a private endpoint leads to: a project is reached through its hub.')
output linkedId string = kind == 'Hub' ? hub.id : standalone.id
