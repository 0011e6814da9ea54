// A vault for the settings that are secrets. The app's settings hold references to it, so a new provisioning loses none of
// them, and a new value takes no deployment. The secrets themselves are written by hand and stand in no template.
param name string
param location string
param tags object

@description('Names of the settings, such as SCORING_KEY_PROD; the secret of each is named with dashes, SCORING-KEY-PROD.')
param settingNames array

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of whoever writes the secrets; empty for nobody.')
param writerPrincipalId string

// Key Vault Secrets User
var userRoleId = '4633458b-17de-408a-b874-0445c86b69e6'

// Key Vault Secrets Officer
var officerRoleId = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
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

resource userGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, userRoleId)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', userRoleId)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: 'The platform reads the secrets that the app\'s settings refer to, as the app\'s identity.'
  }
}

// Without principalType: the deployer is a person on a laptop and a service principal in a pipeline.
resource officerGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(writerPrincipalId)) {
  name: guid(vault.id, writerPrincipalId, officerRoleId)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', officerRoleId)
    principalId: writerPrincipalId
    description: 'Whoever deployed the app writes the secrets; owning the vault alone does not let anybody.'
  }
}

output name string = vault.name
output settings array = [for settingName in settingNames: {
  name: settingName
  value: '@Microsoft.KeyVault(VaultName=${name};SecretName=${replace(settingName, '_', '-')})'
}]
