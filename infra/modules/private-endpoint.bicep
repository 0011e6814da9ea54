// One private endpoint: an address in the subnet for one part of a resource, found by name in the zones given.
param name string
param location string
param tags object

param subnetId string

@description('Resource id of what is reached.')
param targetId string

@description('The part of it, in Private Link\'s words: blob, queue, table, amlworkspace.')
param targetPart string

@description('Private DNS zones that get its name.')
param zoneIds array

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: targetPart
        properties: {
          privateLinkServiceId: targetId
          groupIds: [targetPart]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [for (zoneId, index) in zoneIds: {
      name: 'zone-${index}'
      properties: {
        privateDnsZoneId: zoneId
      }
    }]
  }
}
