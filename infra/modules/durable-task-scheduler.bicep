// Durable Functions' state in a scheduler that Azure keeps, in place of queues and tables. host.json stays as it is: the
// settings given back here overrule it.
param name string
param location string
param tags object

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Client id of the app\'s identity, which the connection names.')
param appClientId string

var hubName = 'default'

// Durable Task Data Contributor
var contributorRoleId = '0ad04412-c4d5-4796-b79c-f76d14c8d402'

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'Consumption'
    }
    // The addresses that Flex Consumption calls from are not known beforehand, and the list must not be empty. What
    // guards it is the role below: there are no keys.
    ipAllowlist: ['0.0.0.0/0']
  }
}

resource hub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: hubName
}

resource contributorGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scheduler.id, appPrincipalId, contributorRoleId)
  scope: scheduler
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRoleId)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: 'Durable Functions keeps and reads the state of the runs.'
  }
}

output settings array = [
  { name: 'AzureFunctionsJobHost__extensions__durableTask__hubName', value: hubName }
  { name: 'AzureFunctionsJobHost__extensions__durableTask__storageProvider__type', value: 'azureManaged' }
  { name: 'AzureFunctionsJobHost__extensions__durableTask__storageProvider__connectionStringName', value: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING' }
  { name: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING', value: 'Endpoint=${scheduler.properties.endpoint};TaskHub=${hubName};Authentication=ManagedIdentity;ClientID=${appClientId}' }
]
