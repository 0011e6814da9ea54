// Lets the app read how much quota is used and which VM sizes there are. Both are reads of the subscription, which no role
// on a workspace covers.
targetScope = 'subscription'

@description('Object id of the app\'s identity.')
param appPrincipalId string

// Reader
var readerRoleId = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'

// For the whole subscription, because usages and VM sizes belong to nothing smaller. It reads settings of resources, and
// neither their keys nor their data.
resource readerGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, appPrincipalId, readerRoleId)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', readerRoleId)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: 'Plans and queues go by the quota of the region, which Azure ML lists per subscription (locations/usages, locations/vmSizes).'
  }
}
