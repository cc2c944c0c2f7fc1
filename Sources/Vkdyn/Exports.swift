// What a user of the library names beside its own types. `@_exported` rather than type aliases, so that the members
// of these types are found under `MemberImportVisibility` too.

@_exported public import enum VkdynCore.Flavour
@_exported public import protocol VkdynCore.UserFacingError
@_exported public import struct VkdynFormats.FormatError
@_exported public import struct VkdynFormats.StreamingDecoder
@_exported public import struct VkdynFormats.Tokenizer
@_exported public import enum VkdynCore.DeviceError
@_exported public import enum VkdynTechniques.Acceptance
@_exported public import enum VkdynTechniques.DraftChoice
@_exported public import struct VkdynTechniques.DraftAcceptance
@_exported public import struct VkdynTechniques.DraftSchedule
@_exported public import enum VkdynTechniques.GenerationError
@_exported public import struct VkdynTechniques.GenerationTelemetry
@_exported public import struct VkdynTechniques.LoadProgress
@_exported public import enum VkdynTechniques.ModelSource
@_exported public import struct VkdynTechniques.Sampling
@_exported public import struct VkdynTechniques.ShippedModelMissing
@_exported public import enum VkdynTechniques.StopReason
@_exported public import enum VkdynTechniques.TokenChoice
@_exported public import struct VkdynTechniques.VocabularyMismatch
