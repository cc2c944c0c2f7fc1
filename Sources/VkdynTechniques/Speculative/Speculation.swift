import VkdynCore
