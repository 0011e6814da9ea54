// Lets the app deploy, call and delete models in one Azure ML workspace, and the watchdog delete them. The workspace may
// be in another resource group or subscription; deleting the app's group leaves these assignments behind, pointing to nobody.
@minLength(2)
@maxLength(33)
param workspaceName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of the watchdog\'s identity.')
param watchdogPrincipalId string

// AzureML Data Scientist
var scientistRoleId = 'f6c7c914-8db3-469d-8ca1-694a8f32e121'

// Monitoring Reader
var metricsRoleId = '43d0d8ad-25c7-4714-9337-8ba259a9fe05'

// The same role for both. The watchdog needs less of it: list, read and delete endpoints. But which actions the deletion of
// an endpoint with its deployments takes is published nowhere, one by one, and a watchdog whose right turns out to be too
// small on the one day that it is needed would be worse than one with more than it uses. Its own code is that small.
var grants = [
  {
    principalId: appPrincipalId
    why: 'The app creates, reads, calls and deletes online endpoints and reads their keys and logs; this role cannot change the workspace or its compute.'
  }
  {
    principalId: watchdogPrincipalId
    why: 'The watchdog lists, reads and deletes online endpoints of this installation that are past their time.'
  }
]

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource scientistGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in grants: {
  name: guid(workspace.id, grant.principalId, scientistRoleId)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', scientistRoleId)
    principalId: grant.principalId
    principalType: 'ServicePrincipal'
    description: grant.why
  }
}]

resource metricsGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipalId, metricsRoleId)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsRoleId)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: 'The app reads how busy the GPUs of its deployments were; Azure ML\'s own role does not hold the metrics of Azure Monitor.'
  }
}
