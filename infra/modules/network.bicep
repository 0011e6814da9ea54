// A network for the app: one subnet that its calls go out from, one for private endpoints, and the zones by which their
// names are found. An app in it reaches endpoints without public access through the workspace's private endpoint.
param suffix string
param location string
param tags object

var storageParts = ['blob', 'queue', 'table']
var storageZones = [for part in storageParts: 'privatelink.${part}.${environment().suffixes.storage}']
// Both belong to a workspace; scoring addresses are found in the first.
var workspaceZones = ['privatelink.api.azureml.ms', 'privatelink.notebooks.azure.net']
var zones = concat(storageZones, workspaceZones)

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['10.83.0.0/22']
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.83.0.0/24'
          // Flex Consumption's own; it needs the provider Microsoft.App registered in the subscription.
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.83.1.0/24'
        }
      }
    ]
  }
}

resource dnsZones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zone, index) in zones: {
  parent: dnsZones[index]
  name: 'link-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
output storageZoneIds object = toObject(range(0, 3), index => storageParts[index], index => resourceId('Microsoft.Network/privateDnsZones', storageZones[index]))
output workspaceZoneIds array = [for zone in workspaceZones: resourceId('Microsoft.Network/privateDnsZones', zone)]
