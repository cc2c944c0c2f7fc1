import CSPIRVCross

/// Reads a module's bindings, push constants, specialization constants and workgroup size with SPIRV-Cross.
enum Reflection {
    static func reflect(_ words: [UInt32], file: String) throws -> ModuleInterface {
        var context: spvc_context?
        try check(spvc_context_create(&context), nil, file)
        defer { spvc_context_destroy(context) }
        var parsed: spvc_parsed_ir?
        try check(spvc_context_parse_spirv(context, words, words.count, &parsed), context, file)
        var compiler: spvc_compiler?
        try check(
            spvc_context_create_compiler(
                context, SPVC_BACKEND_NONE, parsed, SPVC_CAPTURE_MODE_TAKE_OWNERSHIP, &compiler), context, file)
        guard let compiler else { throw ShaderError(file, "SPIRV-Cross returned no compiler") }
        var resources: spvc_resources?
        try check(spvc_compiler_create_shader_resources(compiler, &resources), context, file)

        let reader = Reader(compiler: compiler, file: file)
        var bindings: [Binding] = []
        for resource in list(resources, SPVC_RESOURCE_TYPE_STORAGE_BUFFER) {
            bindings.append(try reader.storageBinding(resource))
        }
        for resource in list(resources, SPVC_RESOURCE_TYPE_SEPARATE_IMAGE)
            + list(resources, SPVC_RESOURCE_TYPE_SAMPLED_IMAGE)
        {
            bindings.append(try reader.texelBinding(resource))
        }
        for type in [SPVC_RESOURCE_TYPE_UNIFORM_BUFFER, SPVC_RESOURCE_TYPE_STORAGE_IMAGE] {
            if let resource = list(resources, type).first {
                throw ShaderError(
                    file, "\(String(cString: resource.name)): only storage buffers and textureBuffers are supported")
            }
        }
        bindings.sort { $0.number < $1.number }
        for (binding, next) in zip(bindings, bindings.dropFirst()) where binding.number == next.number {
            throw ShaderError(file, "\(binding.name) and \(next.name) have the same binding, \(binding.number)")
        }
        for (index, binding) in bindings.enumerated() where binding.number != index {
            throw ShaderError(file, "binding numbers must run from 0 without a gap; \(index) is missing")
        }
        var parameters: [(name: String, type: Scalar)] = []
        if let block = list(resources, SPVC_RESOURCE_TYPE_PUSH_CONSTANT).first {
            parameters = try reader.scalarMembers(of: block.base_type_id, what: "push constants")
        }
        let localSize = (0..<3).map {
            Int(spvc_compiler_get_execution_mode_argument_by_index(compiler, SpvExecutionModeLocalSize, UInt32($0)))
        }
        return ModuleInterface(
            bindings: bindings, parameters: parameters, constants: try reader.constants(context),
            localSize: localSize)
    }

    private static func list(_ resources: spvc_resources?, _ type: spvc_resource_type) -> [spvc_reflected_resource] {
        var pointer: UnsafePointer<spvc_reflected_resource>?
        var count = 0
        spvc_resources_get_resource_list_for_type(resources, type, &pointer, &count)
        return Array(UnsafeBufferPointer(start: pointer, count: count))
    }

    fileprivate static func check(_ result: spvc_result, _ context: spvc_context?, _ file: String) throws {
        guard result == SPVC_SUCCESS else {
            let message = context.flatMap { spvc_context_get_last_error_string($0) }.map { String(cString: $0) }
            throw ShaderError(file, "SPIRV-Cross: \(message ?? "failed")")
        }
    }
}

private struct Reader {
    let compiler: spvc_compiler
    let file: String

    func storageBinding(_ resource: spvc_reflected_resource) throws -> Binding {
        let block = spvc_compiler_get_type_handle(compiler, resource.base_type_id)!
        guard spvc_type_get_num_member_types(block) == 1 else {
            throw ShaderError(file, "buffer block \(String(cString: resource.name)) must have exactly one member")
        }
        let name = String(cString: spvc_compiler_get_member_name(compiler, resource.base_type_id, 0)!)
        let memberID = spvc_type_get_member_type(block, 0)
        let member = spvc_compiler_get_type_handle(compiler, memberID)!
        let isArray = spvc_type_get_num_array_dimensions(member) == 1
        let element: BindingElement
        if spvc_type_get_basetype(member) == SPVC_BASETYPE_STRUCT {
            let baseID = spvc_type_get_base_type_id(member)
            let structure = Structure(
                name: String(cString: spvc_compiler_get_name(compiler, baseID)!),
                members: try scalarMembers(of: baseID, what: "structure of buffer \(name)"))
            element = isArray ? .structures(structure) : .structure(structure)
        } else {
            guard isArray else { throw ShaderError(file, "buffer \(name) must be an array or a structure") }
            element = .scalars(try scalar(member, what: "buffer \(name)"))
        }
        return Binding(
            number: try binding(resource), name: name, kind: .storage, access: access(resource.id),
            element: element)
    }

    func texelBinding(_ resource: spvc_reflected_resource) throws -> Binding {
        let name = String(cString: spvc_compiler_get_name(compiler, resource.id)!)
        let type = spvc_compiler_get_type_handle(compiler, resource.type_id)!
        guard spvc_type_get_image_dimension(type) == SpvDimBuffer else {
            throw ShaderError(file, "\(name): images are not supported, only textureBuffers")
        }
        let sampled = spvc_compiler_get_type_handle(compiler, spvc_type_get_image_sampled_type(type))!
        let scalar = try scalar(sampled, what: "textureBuffer \(name)")
        let kind: BindingKind =
            switch scalar {
            case .float: .texelFloat
            case .uint: .texelUInt
            case .int: .texelInt
            }
        return Binding(
            number: try binding(resource), name: name, kind: kind, access: .read, element: .scalars(scalar))
    }

    func scalarMembers(of typeID: spvc_type_id, what: String) throws -> [(name: String, type: Scalar)] {
        let type = spvc_compiler_get_type_handle(compiler, typeID)!
        return try (0..<spvc_type_get_num_member_types(type)).map { index in
            let name = String(cString: spvc_compiler_get_member_name(compiler, typeID, index)!)
            let member = spvc_compiler_get_type_handle(compiler, spvc_type_get_member_type(type, index))!
            guard spvc_type_get_vector_size(member) == 1, spvc_type_get_num_array_dimensions(member) == 0 else {
                throw ShaderError(file, "\(what): \(name) must be a scalar")
            }
            let offset = spvc_compiler_get_member_decoration(compiler, typeID, index, SpvDecorationOffset)
            guard offset == index * 4 else {
                throw ShaderError(file, "\(what): \(name) is at byte \(offset), expected \(index * 4)")
            }
            return (name, try scalar(member, what: "\(what): \(name)"))
        }
    }

    func constants(_ context: spvc_context?) throws -> [SpecializationConstant] {
        var pointer: UnsafePointer<spvc_specialization_constant>?
        var count = 0
        try Reflection.check(spvc_compiler_get_specialization_constants(compiler, &pointer, &count), context, file)
        return try UnsafeBufferPointer(start: pointer, count: count).map { constant in
            let handle = spvc_compiler_get_constant_handle(compiler, constant.id)!
            let type = spvc_compiler_get_type_handle(compiler, spvc_constant_get_type(handle))!
            let name = String(cString: spvc_compiler_get_name(compiler, constant.id)!)
            let swiftType: String =
                switch spvc_type_get_basetype(type) {
                case SPVC_BASETYPE_BOOLEAN: "Bool"
                case SPVC_BASETYPE_UINT32: "UInt32"
                case SPVC_BASETYPE_INT32: "Int32"
                default: throw ShaderError(file, "specialization constant \(name) must be a bool, int or uint")
                }
            return SpecializationConstant(
                name: name, id: Int(constant.constant_id),
                defaultBits: spvc_constant_get_scalar_u32(handle, 0, 0), type: swiftType)
        }.sorted { $0.id < $1.id }
    }

    private func binding(_ resource: spvc_reflected_resource) throws -> Int {
        let name = String(cString: resource.name)
        guard spvc_compiler_get_decoration(compiler, resource.id, SpvDecorationDescriptorSet) == 0 else {
            throw ShaderError(file, "\(name): only descriptor set 0 is supported")
        }
        let type = spvc_compiler_get_type_handle(compiler, resource.type_id)
        guard spvc_type_get_num_array_dimensions(type) == 0 else {
            throw ShaderError(file, "\(name): arrays of buffers are not supported")
        }
        return Int(spvc_compiler_get_decoration(compiler, resource.id, SpvDecorationBinding))
    }

    private func access(_ id: UInt32) -> BindingAccess {
        var pointer: UnsafePointer<SpvDecoration>?
        var count = 0
        spvc_compiler_get_buffer_block_decorations(compiler, id, &pointer, &count)
        let decorations = UnsafeBufferPointer(start: pointer, count: count)
        if decorations.contains(SpvDecorationNonWritable) { return .read }
        return decorations.contains(SpvDecorationNonReadable) ? .write : .readWrite
    }

    private func scalar(_ type: spvc_type, what: String) throws -> Scalar {
        switch spvc_type_get_basetype(type) {
        case SPVC_BASETYPE_FP32: return .float
        case SPVC_BASETYPE_UINT32: return .uint
        case SPVC_BASETYPE_INT32: return .int
        default: throw ShaderError(file, "\(what): only float, int and uint are supported")
        }
    }
}
