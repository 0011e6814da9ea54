// A registry for models of your own: they are replicated to its regions, so that an endpoint in any of them can load them.
// Each region has a registry of images at the Premium rate, which costs money while it stands.
@minLength(2)
param name string

@description('Regions in which models are kept; the first is the registry\'s own.')
@minLength(1)
param locations array

param tags object

@description('Object ids of the identities that may read it: the app, and endpoints that load a model from it.')
param readerPrincipalIds array

// AzureML Registry User
var readerRoleId = '1823dd4f-9b8c-4ab6-ab4e-7397a3684615'

resource registry 'Microsoft.MachineLearningServices/registries@2024-10-01' = {
  name: name
  location: locations[0]
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    publicNetworkAccess: 'Enabled'
    regionDetails: [for region in locations: {
      location: region
      acrDetails: [
        {
          systemCreatedAcrAccount: {
            acrAccountSku: 'Premium'
          }
        }
      ]
      storageAccountDetails: [
        {
          systemCreatedStorageAccount: {
            storageAccountType: 'Standard_LRS'
            storageAccountHnsEnabled: false
            allowBlobPublicAccess: false
          }
        }
      ]
    }]
  }
}

// Without principalType: a reader may be a group.
resource readerGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in readerPrincipalIds: {
  name: guid(registry.id, principalId, readerRoleId)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', readerRoleId)
    principalId: principalId
    description: 'Finds models in the registry and loads them into endpoints; cannot change them.'
  }
}]

output name string = registry.name
