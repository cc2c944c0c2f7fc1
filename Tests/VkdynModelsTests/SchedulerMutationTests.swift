import TestSupport
import Testing
import VkdynFormats

@testable import VkdynModels

/// Damaged configurations are refused in one line, or give steps that are finite; none traps.
@Suite struct SchedulerMutationTests {
    private static let corpus = [
        """
        {"_class_name":"PNDMScheduler","beta_end":0.012,"beta_schedule":"scaled_linear","beta_start":0.00085,
        "num_train_timesteps":1000,"set_alpha_to_one":false,"skip_prk_steps":true,"steps_offset":1,"clip_sample":false}
        """,
        """
        {"num_train_timesteps":9,"beta_schedule":"squaredcos_cap_v2","use_karras_sigmas":true,"steps_offset":2,
        "timestep_spacing":"leading","prediction_type":"v_prediction","rescale_betas_zero_snr":true,"clip_sample":false}
        """,
        """
        {"num_train_timesteps":4,"trained_betas":[0.1,0.2,0.3,1],"interpolation_type":"log_linear",
        "final_sigmas_type":"sigma_min","solver_type":"heun","timestep_spacing":"trailing","skip_prk_steps":true}
        """,
        """
        {"beta_start":0,"beta_end":0,"use_karras_sigmas":true,"prediction_type":"sample","lambda_min_clipped":-Infinity,
        "timestep_spacing":"linspace","solver_order":1,"euler_at_final":true,"lower_order_final":false}
        """,
    ]

    @Test func noDamageTraps() {
        var copies = DamagedCopies(of: Self.corpus.map { Array($0.utf8) }, seed: 7)
        var (accepted, refused) = (0, 0)
        copies.forEach(count: 600) { bytes in
            guard let config = try? ConfigFile(path: "f", bytes: bytes),
                let configuration = try? SchedulerConfiguration(config)
            else {
                refused += 1
                return
            }
            for kind in SchedulerKind.allCases {
                for stepCount in [1, 2, 3, 8] {
                    guard
                        let schedule = try? DenoisingSchedule(
                            kind: kind, configuration: configuration, stepCount: stepCount)
                    else {
                        refused += 1
                        continue
                    }
                    accepted += 1
                    precondition(schedule.steps.count == stepCount + (kind == .pndm && stepCount > 1 ? 1 : 0))
                    for step in schedule.steps {
                        precondition(step.terms.count <= DenoisingStep.termLimit)
                        precondition(step.timestep.isFinite && step.sampleWeight.isFinite && step.noiseWeight.isFinite)
                        precondition(step.terms.allSatisfy { $0.weight.isFinite && $0.slot < schedule.slotCount })
                    }
                }
            }
        }
        #expect(accepted > 300 && refused > 1000)
    }
}
