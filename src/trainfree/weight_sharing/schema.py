"""The file of one training of shared weights: one method, one run (kind ``weight_sharing``).

Nothing in it comes from a benchmark: what the chosen architectures reach when they are trained
alone is looked up by whoever reads the file. ``arch`` numbers are places in the space's own order,
as in every file of the suite.

Dimensions: ``epoch``, ``edge`` and ``operation`` (texts, in the space's order), ``phase`` (texts:
``weights``, ``architecture``, ``choice``, ``validation``), ``ranked``.

==========================  ===========================  ========================================
``choice``                  (epoch)            int32     what the method would answer after an epoch
``answer``                  ()                 int32     its answer, after the last epoch
``training_loss``           (epoch)            nats      of the shared weights, as trained
``training_accuracy``       (epoch)            percent   the same; in percent right
``architecture_loss``       (epoch)            nats      seen by the method's steps that change how
                                                         it chooses; NaN where it has none (rsps) or
                                                         they see accuracies only (enas)
``architecture_accuracy``   (epoch)            percent   the same; NaN where it has none
``validation_accuracy``     (epoch)            percent   shared weights on the images of the
                                                         architecture, as the method's own script
                                                         validates (attribute ``validated``)
``choice_accuracy``         (epoch)            percent   of ``choice`` alone, on the same images
``answer_accuracy``         ()                 percent   of ``answer``, the same
``probability``             (epoch, edge,      1         how likely an operation is chosen on an
                            operation)                   edge; sums to one over the operations
``seconds``                 (epoch, phase)     s         measured; ``validation`` is measured beside
                                                         the search and is no part of it
``answer_seconds``          ()                 s         measured, of the choice after the last epoch
``search_seconds``          ()                 s         all epochs' ``weights`` and
                                                         ``architecture``, and ``answer_seconds``:
                                                         what the search itself costs. The scripts
                                                         of NAS-Bench-201 count the same.
``ranked_arch``             (ranked)           int32     architectures drawn uniformly, the same ones
                                                         for every method and run of a seed
``shared_accuracy``         (ranked)           percent   of each with the weights after the last
                                                         epoch, on the images of the architecture
``shared_seconds``          (ranked)           s         what that took
==========================  ===========================  ========================================

Attributes beside the provenance: ``space``, ``dataset``, ``method``, ``run`` (from 0), ``preset``,
``epochs``, ``batch_size``, ``channels``, ``cells``, ``image_size``, ``images_weights``,
``images_architecture`` (numbers of images), ``validated``, ``chance`` (percent right by guessing),
``published`` (1 where every number is the published one, else 0), ``scale`` (a text for readers:
``published`` or ``reduced: 5,000 images, 10 epochs, ...``), ``stand_in`` (1 for images that stand
in for others), ``image_source``.
"""
