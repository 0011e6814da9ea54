// The storage account of one function app: the host's state and the deployed package; for the app also Durable Functions'
// history and the results. There are no shared keys, so what reaches it is an identity with one of the roles below.
param name string
param location string
param tags object

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Whether Durable Functions and the results live here; the watchdog has neither.')
param keepsTables bool

@description('Object id of whoever may read the tables; empty for nobody.')
param readerPrincipalId string

@description('Subnet of private endpoints; empty keeps the account reachable from anywhere, by identity.')
param endpointSubnetId string

@description('Private DNS zones by part of the account: blob, queue, table.')
param dnsZoneIds object

var packageContainerName = 'app-package'
var hostRoles = [
  {
    // Storage Blob Data Owner
    id: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
    why: 'The host keeps locks and function keys in blobs and reads the deployed package; Durable Functions keeps leases and large messages.'
  }
]
var tableRoles = [
  {
    // Storage Queue Data Contributor
    id: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
    why: 'Durable Functions sends its work through queues that it creates.'
  }
  {
    // Storage Table Data Contributor
    id: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
    why: 'Durable Functions keeps its history, and the app its runs, cells, reports and leases, in tables that they create.'
  }
]

var appRoles = keepsTables ? concat(hostRoles, tableRoles) : hostRoles

// Storage Table Data Reader
var readerRoleId = '76199698-9eea-4c19-bc75-cec21354c6b6'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: empty(endpointSubnetId) ? 'Enabled' : 'Disabled'
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: packageContainerName
}

resource appGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appRoles: {
  name: guid(account.id, appPrincipalId, role.id)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: role.why
  }
}]

// Without principalType: the deployer is a person on a laptop and a service principal in a pipeline.
resource readerGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keepsTables && !empty(readerPrincipalId)) {
  name: guid(account.id, readerPrincipalId, readerRoleId)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', readerRoleId)
    principalId: readerPrincipalId
    description: 'Whoever deployed the app may read its results in the tables, and change nothing.'
  }
}

module endpoints 'private-endpoint.bicep' = [for part in (empty(endpointSubnetId) ? [] : ['blob', 'queue', 'table']): {
  name: '${name}-${part}-endpoint'
  params: {
    name: 'pe-${part}-${name}'
    location: location
    tags: tags
    subnetId: endpointSubnetId
    targetId: account.id
    targetPart: part
    zoneIds: [dnsZoneIds[part]]
  }
}]

output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
output packageContainerName string = packageContainerName
